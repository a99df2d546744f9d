/** `bench detect`: what looking for tickets costs an epoch: masks of three ratios, the files they go to, their distances, and the decision. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Engine, openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { type Spread, spread } from '../measure';
import { withOwned } from '../native/owned';
import type { NativeModel } from '../native/types/model';
import type { Recipe } from '../recipe/recipe';
import { RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { REFERENCE_DETECTOR } from '../ticket/detector';
import { TicketWatch } from '../ticket/watch';
import { timeSteps } from './step';
import { HYPER_PARAMETERS, NETWORKS, networkWithGammas, randomImages } from './workload';

export interface DetectBench {
  bench: 'detect';
  machine: Machine;
  model: string;
  batchSize: number;
  device: string;
  ratios: number[];
  /** Channels that a mask covers. */
  channels: number;
  /** Milliseconds of one epoch's masks, distances and decision. */
  detectMs: Spread;
  /** The same with the masks written to their files and synced, as a run does: into the system's folder for temporary files. */
  wholeMs: Spread;
  epochSeconds: number;
  /** `wholeMs` over the training of an epoch. */
  share: number;
  /** `detectMs` over it. */
  shareWithoutFiles: number;
}

type DetectRecipe = Recipe<'benchDetect'>;

const RATIOS = [0.3, 0.5, 0.7];
/** Training images behind the two sizes. */
const EPOCH_IMAGES: Record<number, number> = { 32: 50_000, 224: 1_281_167 };

export async function benchDetect(recipe: DetectRecipe, options: RunOptions = {}): Promise<DetectBench> {
  const engine = openEngine(recipe, options.observer?.log);
  const epochSeconds = recipe.epochSeconds ?? (await measureEpoch(engine, recipe, options));
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-bench-'));
  try {
    return await withOwned(async (own) => {
      const model = own(await networkWithGammas(engine, recipe));
      const channels = model.describe().batchNorms.reduce((sum, norm) => sum + norm.channels, 0);
      const directory = RunDirectory.at(folder);
      await directory.writeMaskIndex({ channels, first: 0, ratios: RATIOS });
      const times = await timeLooks({ model, directory, channels }, recipe.repetitions, options.signal);
      const [detectMs, wholeMs] = [spread(times.detect)!, spread(times.whole)!];
      return {
        bench: 'detect',
        machine: await describeMachine(engine, options.commandLine),
        ...{ model: recipe.model, batchSize: recipe.batchSize, device: engine.device },
        ...{ ratios: RATIOS, channels, detectMs, wholeMs, epochSeconds },
        share: wholeMs.median / 1000 / epochSeconds,
        shareWithoutFiles: detectMs.median / 1000 / epochSeconds,
      };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Looked {
  model: Pick<NativeModel, 'masks'>;
  directory: Pick<RunDirectory, 'writeMask'>;
  channels: number;
}

/** Milliseconds of `repetitions` looks as a run's, with and without its files; `now` is a clock in milliseconds. */
export async function timeLooks(
  { model, directory, channels }: Looked,
  repetitions: number,
  signal?: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<{ detect: number[]; whole: number[] }> {
  const watch = new TicketWatch(RATIOS, channels, REFERENCE_DETECTOR);
  const times = { detect: [] as number[], whole: [] as number[] };
  // The window fills first: only a full one has distances.
  const untimed = REFERENCE_DETECTOR.window;
  for (let epoch = 0; epoch < untimed + repetitions; epoch++) {
    signal?.throwIfAborted();
    const start = now();
    const masks = await model.masks(RATIOS);
    const drawn = now();
    for (const { ratio, bits } of masks) await directory.writeMask(ratio, epoch, bits);
    const written = now();
    watch.observe(masks, epoch);
    const end = now();
    if (epoch < untimed) continue;
    times.whole.push(end - start);
    times.detect.push(end - start - (written - drawn));
  }
  return times;
}

async function measureEpoch(engine: Engine, recipe: DetectRecipe, { signal }: RunOptions): Promise<number> {
  const { addon, device, precision } = engine;
  const { arch, depth, classes, size } = NETWORKS[recipe.model];
  const { seed, steps, warmup } = recipe;
  return withOwned(async (own) => {
    const dataset = own(await randomImages(engine, recipe));
    const model = own(await addon.createModel({ arch, depth, classes, seed, device }));
    const trainer = own(await addon.createTrainer(model, { ...HYPER_PARAMETERS, precision, seed }));
    await timeSteps(trainer, dataset, recipe, { steps: warmup, epoch: 0 }, signal);
    const { imagesPerSecond } = await timeSteps(trainer, dataset, recipe, { steps, epoch: 1 }, signal);
    return EPOCH_IMAGES[size]! / imagesPerSecond;
  });
}
