/** Pruning ratios that are a share of something other than channels, found by bisection over the ranking. */
import type { LayerInfo } from '../native/types/model';
import { forwardFlops, layerParameters } from '../network/flops';
import type { Budget } from '../recipe/fields/ranking';

/** Costs of a network by its plan; `time` is that of a training step, null where widths were not measured. */
export interface PlannedCosts {
  network: readonly LayerInfo[];
  time: number | null;
}

const COSTS: Record<Exclude<Budget, 'channels'>, (plan: PlannedCosts) => number> = {
  params: ({ network }) => network.reduce((sum, layer) => sum + layerParameters(layer), 0),
  flops: ({ network }) => forwardFlops(network),
  time: ({ time }) => time ?? Number.NaN,
};

/** The share of a budget that a ticket saves. */
export function shareGone(budget: Exclude<Budget, 'channels'>, dense: PlannedCosts, ticket: PlannedCosts): number {
  return 1 - COSTS[budget](ticket) / COSTS[budget](dense);
}

/**
 * The smallest place in the ascending ranking of `channels` channels whose threshold removes at least `share` of a
 * cost; null where even the last place does not. `gone` returns the share that the threshold at a place removes. It
 * must not fall from place to place; otherwise the answer is one of the places where it crosses `share`.
 */
export async function placeOf(
  share: number,
  channels: number,
  gone: (place: number) => Promise<number>,
): Promise<number | null> {
  let [below, reaches] = [-1, channels];
  while (reaches - below > 1) {
    const middle = Math.floor((below + reaches) / 2);
    if ((await gone(middle)) >= share) reaches = middle;
    else below = middle;
  }
  return reaches < channels ? reaches : null;
}
