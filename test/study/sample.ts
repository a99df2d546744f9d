/** Studies made of numbers, without a run. */
import { parseRecipe, type StudyRecipe } from '../../src/recipe/recipe';
import type { Control } from '../../src/recipe/study';
import type { RunRecord, SearchRecord } from '../../src/study/record';
import { type Study, summarise } from '../../src/study/summary';

export const EPOCHS = 20;
const FORWARD = 1000;
const IMAGES = 10;

export const recipeOf = (more: Record<string, unknown> = {}): StudyRecipe =>
  parseRecipe('study', {
    ...{
      dataset: 'cifar10',
      epochs: EPOCHS,
      schedule: [10, 15],
      seeds: [1, 2, 3],
      ratios: [0.5],
      arch: 'vgg',
      depth: 11,
    },
    ...{ draws: [0, 'emergence', 'last'], controls: ['random'] },
    ...more,
  });

export function searchOf(
  seed: number,
  more: Partial<SearchRecord> & { emergence?: number | null; plateau?: number } = {},
) {
  const { emergence = 8, plateau = 0.05, ...rest } = more;
  const distances = Array.from({ length: EPOCHS }, (_, epoch) => (epoch < 4 ? null : plateau));
  return {
    ...{ seed, epochs: EPOCHS, top1Last: 92, top1Best: 93, bestEpoch: 18, classes: 10, seconds: 100 },
    ...{ forward: FORWARD, images: IMAGES },
    ratios: { 50: { emergence, distances } },
    machine: { earlybird: '0', libtorch: '2', device: 'cpu', deviceName: 'x', threads: 1 } as SearchRecord['machine'],
    dataset: { name: 'cifar10', synthetic: false, train: IMAGES, test: 1000, fingerprint: 'f' },
    ...rest,
  } satisfies SearchRecord;
}

interface RunSample {
  draws?: string[];
  control?: Control | null;
  /** Last accuracy; the curve rises by 1 an epoch up to it. */
  top1?: number;
  /** Share of the dense network's FLOPs. */
  share?: number;
  state?: RunRecord['state'];
  collapsed?: boolean;
}

const EPOCH_OF: Record<string, number> = { 0: 0, emergence: 8, last: EPOCHS };
const cost = (forward: number, epochs: number) => 3 * forward * epochs * IMAGES;

export function runOf(
  seed: number,
  { draws = ['emergence'], control = null, top1 = 90, ...more }: RunSample = {},
): RunRecord {
  const { share = 0.5, state = 'finished', collapsed = false } = more;
  const epoch = EPOCH_OF[draws[0]!]!;
  const run = { seed, ratio: 0.5, epoch, control, draws, state };
  if (state !== 'finished') return { ...run, ...(state === 'failed' ? { failure: 'it diverged.' } : {}), result: null };
  const forward = share * FORWARD;
  const curve = Array.from({ length: EPOCHS }, (_, i) => top1 - (EPOCHS - 1 - i));
  const flops = { search: cost(FORWARD, control === 'late' ? EPOCHS : epoch), retrain: cost(forward, EPOCHS) };
  const figures = { kept: 50, channels: 100, parameters: 5, forward, top1, top1Best: top1, curve, flops, seconds: 60 };
  return { ...run, result: { ...figures, collapsed } };
}

/** Seeds 1, 2 and 3 with one accuracy each. */
export const over = (values: readonly number[], sample: RunSample = {}) =>
  values.map((top1, i) => runOf(i + 1, { ...sample, top1 }));

export function studyOf(
  runs: RunRecord[],
  more: Partial<Parameters<typeof summarise>[1]> = {},
  recipe = recipeOf(),
): Study {
  const searches = [1, 2, 3].map((seed) => searchOf(seed));
  return summarise(recipe, { searches, failedSearches: [], runs, missing: [], ...more });
}
