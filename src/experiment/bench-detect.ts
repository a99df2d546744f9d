/** `bench detect`: what looking for tickets costs an epoch: masks of three ratios, their distances, and the decision. */
import { performance } from 'node:perf_hooks';
import { networkWithGammas } from './bench-network';
import { type Spread, spread } from './bench-runs';
import { HYPER_PARAMETERS, NETWORKS, randomImages, timeSteps } from './bench-step';
import { type Engine, openEngine } from './device';
import { REFERENCE_DETECTOR } from './early-bird';
import { describeMachine, type Machine } from './machine';
import type { RunOptions } from './observer';
import type { Recipe } from './recipe';
import { TicketWatch } from './ticket-watch';

export interface DetectBench {
  bench: 'detect';
  machine: Machine;
  model: string;
  batchSize: number;
  device: string;
  ratios: number[];
  /** Channels that a mask covers. */
  channels: number;
  /** Milliseconds of one epoch's detection. */
  detectMs: Spread;
  epochSeconds: number;
  /** Detection over training, of an epoch. */
  share: number;
}

type DetectRecipe = Recipe<'benchDetect'>;

const RATIOS = [0.3, 0.5, 0.7];
/** Training images behind the two sizes. */
const EPOCH_IMAGES: Record<number, number> = { 32: 50_000, 224: 1_281_167 };

export async function benchDetect(recipe: DetectRecipe, options: RunOptions = {}): Promise<DetectBench> {
  const engine = openEngine(recipe, options.observer?.log);
  const epochSeconds = recipe.epochSeconds ?? (await measureEpoch(engine, recipe, options));
  const model = await networkWithGammas(engine, recipe);
  try {
    const channels = model.describe().batchNorms.reduce((sum, norm) => sum + norm.channels, 0);
    const watch = new TicketWatch(RATIOS, channels, REFERENCE_DETECTOR);
    const times: number[] = [];
    // The window fills first: only a full one has distances.
    const untimed = REFERENCE_DETECTOR.window;
    for (let epoch = 0; epoch < untimed + recipe.repetitions; epoch++) {
      options.signal?.throwIfAborted();
      const start = performance.now();
      watch.observe(await model.masks(RATIOS), epoch);
      if (epoch >= untimed) times.push(performance.now() - start);
    }
    const detectMs = spread(times)!;
    return {
      bench: 'detect',
      machine: await describeMachine(engine, options.commandLine),
      ...{ model: recipe.model, batchSize: recipe.batchSize, device: engine.device },
      ...{ ratios: RATIOS, channels, detectMs, epochSeconds },
      share: detectMs.median / 1000 / epochSeconds,
    };
  } finally {
    model.dispose();
  }
}

async function measureEpoch(engine: Engine, recipe: DetectRecipe, { signal }: RunOptions): Promise<number> {
  const { addon, device, precision } = engine;
  const { arch, depth, classes, size } = NETWORKS[recipe.model];
  const { seed, steps, warmup } = recipe;
  const dataset = await randomImages(engine, recipe);
  const model = await addon.createModel({ arch, depth, classes, seed, device });
  const trainer = await addon.createTrainer(model, { ...HYPER_PARAMETERS, precision, seed });
  try {
    await timeSteps(trainer, dataset, recipe, { steps: warmup, epoch: 0 }, signal);
    const { imagesPerSecond } = await timeSteps(trainer, dataset, recipe, { steps, epoch: 1 }, signal);
    return EPOCH_IMAGES[size]! / imagesPerSecond;
  } finally {
    for (const handle of [trainer, model, dataset]) handle.dispose();
  }
}
