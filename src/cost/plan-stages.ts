/** The trainings of a row that are not finished: their epochs, networks and costs, and the assumptions behind these. */
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { settleVariant } from '../recipe/variant';
import type { observedIn } from './observed';
import { plannedGbitops } from './plan-arithmetic';
import { atRatio, type PlanInputs } from './plan-inputs';
import type { RowResult } from './row-results';
import { METHODS, type StageKind, stagesOf } from './rows';

/** Seconds or joules: measured, estimated, or null with the reason. */
export interface Estimate {
  value: number | null;
  estimated: boolean;
  reason?: string | undefined;
}

/** A training of a row that is not finished. */
export interface PlannedStage extends StageKind {
  epochs: number;
  /** Number of epochs already on disk. */
  done: number;
  forward: number | null;
  /** 1e9 bit operations of one epoch. */
  gbitops: number | null;
  seconds: Estimate;
  joules: Estimate;
}

export interface PlanContext {
  recipe: BenchEnergyRecipe;
  observed: ReturnType<typeof observedIn>;
  inputs: PlanInputs;
}

/** Plans the trainings of a row. Adds to `assumptions` what the figures rest on. */
export function planStages(context: PlanContext, result: RowResult, assumptions: string[]): PlannedStage[] {
  const { inputs } = context;
  const epochs = epochsOf(context, result, assumptions);
  return stagesOf(result).map((kind): PlannedStage => {
    const { ratio } = kind;
    const forward = ratio === null ? inputs.forward : ticketForward(context, ratio, assumptions);
    const done = result.stages.find(({ name }) => name === kind.name)?.epochs ?? 0;
    const share = forward !== null && inputs.forward !== null ? forward / inputs.forward : 1;
    const costs = epochCosts(context, kind, share, assumptions);
    const gbitops = epochGbitops(context, kind);
    return { ...kind, epochs: ratio === null ? epochs.dense : epochs.ticket, done, forward, gbitops, ...costs };
  });
}

function ticketForward({ recipe, observed, inputs }: PlanContext, ratio: number, assumptions: string[]): number | null {
  const seen = observed.forward(ratio);
  const assumed = inputs.ticket(ratio);
  if (seen !== null) assumptions.push(`the ticket has the FLOPs of finished ones at p = ${ratio}`);
  else if (assumed === null) assumptions.push('the ticket counts as the dense network: at most');
  else if (recipe.assumeFlops) assumptions.push("the ticket's share of FLOPs is that of --assume-flops");
  else assumptions.push('the ticket keeps 1 - p of the channels of every layer; --assume-flops says otherwise');
  return seen ?? assumed ?? inputs.forward;
}

/** Epochs of both trainings. A ticket is drawn as late as in finished rows, or else as the recipe assumes. */
function epochsOf({ recipe, observed }: PlanContext, { method, ratio }: RowResult, assumptions: string[]) {
  const { epochs, assumeEpoch } = recipe;
  const { earlyBird } = METHODS[method];
  if (!earlyBird) return { dense: epochs, ticket: epochs };
  const before = observed.drawn(ratio!, earlyBird.search);
  const drawn = before === null ? assumedEpoch(recipe, ratio!) : Math.round(before);
  const why = assumeEpoch ? 'as --assume-epoch says' : 'about an eighth of --epochs; --assume-epoch says otherwise';
  assumptions.push(`the ticket is drawn after epoch ${drawn}, ${before === null ? why : 'as in finished rows'}`);
  return { dense: drawn, ticket: method === 'eb-reinit' ? epochs : epochs - drawn };
}

/**
 * The epochs that fit the paper's tables are about an eighth of all: 20 of 160 for VGG-16 at p = 0.3, 11 of 90 for ResNet-18
 * (docs/cost.md). No ticket comes before the detector has a window of masks.
 */
function assumedEpoch(recipe: BenchEnergyRecipe, ratio: number): number {
  const { epochs, assumeEpoch, detectorWindow } = recipe;
  return (
    atRatio(recipe, assumeEpoch, ratio) ?? Math.min(epochs - 1, Math.max(detectorWindow - 1, Math.round(epochs / 8)))
  );
}

/** Seconds and joules of one epoch. `share`: its FLOPs over those of a dense epoch. */
function epochCosts(
  { recipe, observed, inputs }: PlanContext,
  { ratio, low }: StageKind,
  share: number,
  assumptions: string[],
) {
  const { imagesPerSecond, watts } = recipe;
  const own = observed.epoch({ ratio, low });
  const dense = observed.epoch({ ratio: null, low });
  if (own.seconds === null && dense.seconds !== null)
    assumptions.push(
      'an epoch of the ticket takes what a dense one does times its share of FLOPs: small layers take more',
    );
  const scaled = (value: number | null) => (value === null ? null : value * share);
  let seconds = own.seconds ?? scaled(dense.seconds);
  if (seconds === null && imagesPerSecond !== undefined && inputs.images !== null) {
    seconds = (share * inputs.images) / imagesPerSecond;
    assumptions.push(
      `${imagesPerSecond} images/s in the dense network, as given, and a ticket's share of its FLOPs; evaluation is left out`,
    );
  }
  let joules = own.joules ?? scaled(dense.joules);
  if (joules === null && seconds !== null && watts !== undefined) {
    joules = seconds * watts;
    assumptions.push(`${watts} W throughout, as given`);
  }
  const what = `no epoch of ${ratio === null ? 'the dense network' : 'a ticket'}${low ? ' in low precision' : ''}`;
  return {
    seconds: estimate(seconds, `${what} was run here, and --images-per-second is not given`),
    joules: estimate(joules, `${what} was metered here, and there is no time and --watts to estimate with`),
  };
}

/**
 * 1e9 bit operations of an epoch: as counted by such epochs on disk, else computed from the network and the formats of
 * the recipe.
 */
function epochGbitops({ recipe, observed, inputs }: PlanContext, { ratio, low }: StageKind): number | null {
  const adds = observed.adds(ratio) ?? inputs.adds(ratio);
  const { precision } = recipe;
  const options = low ? { ...recipe, ...settleVariant({ ...recipe, variant: 'll' }) } : { precision };
  return observed.epoch({ ratio, low }).gbitops ?? plannedGbitops({ adds, images: inputs.images }, options);
}

const estimate = (value: number | null, reason: string): Estimate =>
  value === null ? { value, estimated: true, reason } : { value, estimated: true };
