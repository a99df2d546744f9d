/** Draws the masks of a network: channels ranked by a criterion, thresholds by a budget. */
import { EarlybirdError } from '../errors';
import type { NativeDataset } from '../native/types/dataset';
import type { WidthCosts } from '../native/types/kernels';
import type { MaskResult, NativeModel, PruneOptions } from '../native/types/model';
import { maskChannels } from '../network/flops';
import { type Budget, type Criterion, needsImages } from '../recipe/fields/ranking';
import { placeOf, shareGone } from './budget';

/** Rules for drawing masks. */
export interface Drawing {
  criterion: Criterion;
  budget: Budget;
  /** Seed of the criterion `random`, and of the order of the training images. */
  seed: number;
  /** Training images, for criteria of gradients. */
  images?: { dataset: NativeDataset; batches: number; batchSize: number } | undefined;
  protective?: boolean;
  /** True where each layer whose channels can be removed alone loses the same share. */
  uniform?: boolean;
  /** Options of the surgery, on which the costs of a ticket depend. */
  cutting?: Omit<PruneOptions, 'mask' | 'scores' | 'weightsFrom'>;
  /** Costs of widths, for the budget `time`. */
  stepCosts?: WidthCosts | undefined;
  signal?: AbortSignal | undefined;
}

/** Masks, and the scores that rank the channels where these are not |gamma|. */
export interface Drawn {
  masks: MaskResult[];
  scores?: number[];
}

/** The `images` of a drawing, where its criterion needs them. */
export function imagesFor(
  { criterion, criterionBatches, batchSize }: { criterion: Criterion; criterionBatches: number; batchSize: number },
  dataset: NativeDataset | undefined,
): Drawing['images'] {
  return needsImages(criterion) && dataset ? { dataset, batches: criterionBatches, batchSize } : undefined;
}

/**
 * One mask for each ratio. With another budget than channels, a ratio is the least share of that budget to remove, and
 * the mask drops the fewest channels that do so. A mask is empty where all scores are equal. Throws ERR_PRUNE where no
 * mask reaches a share, ERR_NUMERIC where a score is not finite.
 */
export async function drawMasks(model: NativeModel, ratios: readonly number[], drawing: Drawing): Promise<Drawn> {
  const { criterion, budget, seed, images, protective = false, uniform = false, signal } = drawing;
  const scores =
    criterion === 'gamma' ? undefined : await model.scores({ criterion, seed, ...images, ...(signal && { signal }) });
  const how = { protective, uniform, ...(scores && { scores }) };
  if (budget === 'channels') return { masks: await model.masks([...ratios], how), ...(scores && { scores }) };

  const channels = maskChannels(model.describe());
  const { cutting = { emptyLayers: 'keep-one' as const }, stepCosts } = drawing;
  const plan = (mask: Uint8Array) => model.plan({ ...cutting, ...(scores && { scores }), mask, stepCosts });
  const dense = await plan(new Uint8Array(Math.ceil(channels / 8)).fill(255));
  // Half a channel is added so that rounding cannot move the place.
  const maskAt = async (place: number) => (await model.masks([(place + 0.5) / channels], how))[0]!;
  const gone = async (place: number) => {
    signal?.throwIfAborted();
    const { kept, bits } = await maskAt(place);
    return kept === 0 ? 1 : shareGone(budget, dense, await plan(bits));
  };
  const masks: MaskResult[] = [];
  for (const ratio of ratios) {
    const place = await placeOf(ratio, channels, gone);
    const mask = place === null ? null : await maskAt(place);
    // Nothing is above the threshold of the first place where all scores are equal, as |gamma| is before training: no
    // ticket yet, as with the budget `channels`.
    if (mask === null || (mask.kept === 0 && place !== 0)) throw outOfReach(ratio, budget);
    masks.push({ ...mask, ratio });
  }
  return { masks, ...(scores && { scores }) };
}

const NAMES: Record<Budget, string> = {
  channels: 'channels',
  params: 'parameters',
  flops: 'forward FLOPs',
  time: 'step time',
};

function outOfReach(ratio: number, budget: Budget): EarlybirdError {
  return new EarlybirdError(
    'ERR_PRUNE',
    `No mask takes away ${(100 * ratio).toFixed(0)}% of the ${NAMES[budget]} of this network: ask for a smaller ratio, or for another --budget.`,
  );
}
