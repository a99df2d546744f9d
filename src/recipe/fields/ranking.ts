/** The order in which channels are pruned, and the costs that the pruning ratio is a share of (docs/pruning.md). */
import { z } from 'zod';
import { count, optionOf } from '../option';

const option = optionOf('Ticket');

export const CRITERIA = [
  ...(['gamma', 'l1', 'l2', 'fpgm', 'lamp', 'taylor'] as const),
  ...(['random', 'snip', 'grasp', 'synflow', 'thinet'] as const),
] as const;
export type Criterion = (typeof CRITERIA)[number];

/** Criteria of gradients or activations, which need images. */
const OF_IMAGES: readonly string[] = ['taylor', 'snip', 'grasp', 'thinet'] satisfies Criterion[];
/** Their names, for help. */
export const OF_IMAGES_TEXT = `${OF_IMAGES.slice(0, -1).join(', ')} and ${OF_IMAGES.at(-1)}`;
export const needsImages = (criterion: string | undefined) => criterion !== undefined && OF_IMAGES.includes(criterion);

const BUDGETS = ['channels', 'params', 'flops', 'time'] as const;
export type Budget = (typeof BUDGETS)[number];

export const ranking = {
  criterion: option(
    z.enum(CRITERIA).default('gamma'),
    'which channels are kept: by |gamma|, by the filters that feed them, by gradients of training images (taylor, snip, grasp), by what the next layer makes of them (thinet), or at random',
  ),
  criterionBatches: option(
    count().default(8),
    `${OF_IMAGES_TEXT}: training batches that are looked at, the first ones of the seed`,
  ),
  budget: option(
    z.enum(BUDGETS).default('channels'),
    'what a pruning ratio is a share of: BN channels, parameters, forward FLOPs, or the time of a training step by widths measured on this CPU',
  ),
};

/** Entries that have no effect in a recipe. They are left out of identities, as older runs lack them. */
export function idleRanking({ criterion, budget }: { criterion?: string; budget?: string }): string[] {
  return [
    ...(criterion === 'gamma' ? ['criterion'] : []),
    ...(needsImages(criterion) ? [] : ['criterionBatches']),
    ...(budget === 'channels' ? ['budget'] : []),
  ];
}
