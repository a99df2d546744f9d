/** `bench detect`: the cost of detection after an epoch: masks of three ratios, files, distances and the decision. */
import { performance } from 'node:perf_hooks';
import { type Engine, openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { inTemporaryFolder } from '../engine/program';
import { type Spread, spread } from '../measure';
import type { NativeModel } from '../native/types/model';
import type { Recipe } from '../recipe/recipe';
import { RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { REFERENCE_DETECTOR } from '../ticket/detector';
import { TicketWatch } from '../ticket/watch';
import { timeSteps } from './step';
import { createTraining, NETWORKS, networkWithGammas } from './workload';

/** The time of detection, and its share of a training epoch. */
export interface DetectBench {
  bench: 'detect';
  machine: Machine;
  model: string;
  batchSize: number;
  device: string;
  ratios: number[];
  /** Number of channels that a mask covers. */
  channels: number;
  /** Milliseconds of one epoch's masks, distances and decision, without files. */
  detectMs: Spread;
  /** The same, with the masks written to files and synced as in a run, in the system's folder for temporary files. */
  wholeMs: Spread;
  epochSeconds: number;
  /** Ratio of `wholeMs` to the time of a training epoch. */
  share: number;
  /** Ratio of `detectMs` to the same time. */
  shareWithoutFiles: number;
}

type DetectRecipe = Recipe<'benchDetect'>;

const RATIOS = [0.3, 0.5, 0.7];

/** Times the detection of tickets, as after an epoch of a search. */
export async function benchDetect(recipe: DetectRecipe, options: RunOptions = {}): Promise<DetectBench> {
  const engine = openEngine(recipe, options.observer?.log);
  const epochSeconds = recipe.epochSeconds ?? (await measureEpoch(engine, recipe, options));
  using model = await networkWithGammas(engine, recipe);
  const channels = model.describe().batchNorms.reduce((sum, norm) => sum + norm.channels, 0);
  const times = await inTemporaryFolder(async (folder) => {
    const directory = RunDirectory.at(folder);
    await directory.writeMaskIndex({ channels, first: 0, ratios: RATIOS });
    return timeDetection({ model, directory, channels }, recipe.repetitions, options.signal);
  });
  const [detectMs, wholeMs] = [spread(times.detect)!, spread(times.whole)!];
  return {
    bench: 'detect',
    machine: await describeMachine(engine, options.commandLine),
    ...{ model: recipe.model, batchSize: recipe.batchSize, device: engine.device },
    ...{ ratios: RATIOS, channels, detectMs, wholeMs, epochSeconds },
    share: wholeMs.median / 1000 / epochSeconds,
    shareWithoutFiles: detectMs.median / 1000 / epochSeconds,
  };
}

interface Detection {
  model: Pick<NativeModel, 'masks'>;
  directory: Pick<RunDirectory, 'writeMask'>;
  channels: number;
}

/**
 * Times `repetitions` detections as in a run, in milliseconds, with and without their files; `now` is a clock in
 * milliseconds.
 */
export async function timeDetection(
  { model, directory, channels }: Detection,
  repetitions: number,
  signal?: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<{ detect: number[]; whole: number[] }> {
  const watch = new TicketWatch(RATIOS, [channels], { name: 'hamming', settings: REFERENCE_DETECTOR });
  const times = { detect: [] as number[], whole: [] as number[] };
  // Distances exist only for a full window.
  const untimed = REFERENCE_DETECTOR.window;
  for (let epoch = 0; epoch < untimed + repetitions; epoch++) {
    signal?.throwIfAborted();
    const start = now();
    const masks = await model.masks(RATIOS);
    const drawn = now();
    for (const { ratio, bits } of masks) await directory.writeMask(ratio, epoch, bits);
    const written = now();
    watch.observe(masks, epoch, null);
    const end = now();
    if (epoch < untimed) continue;
    times.whole.push(end - start);
    times.detect.push(end - start - (written - drawn));
  }
  return times;
}

async function measureEpoch(engine: Engine, recipe: DetectRecipe, { signal }: RunOptions): Promise<number> {
  const { steps, warmup } = recipe;
  using training = await createTraining(engine, recipe);
  await timeSteps(training, recipe, { steps: warmup, epoch: 0 }, signal);
  const { imagesPerSecond } = await timeSteps(training, recipe, { steps, epoch: 1 }, signal);
  return NETWORKS[recipe.model].data.counts.train / imagesPerSecond;
}
