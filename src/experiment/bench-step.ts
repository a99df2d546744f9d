/** The training step, timed: ours alone, on random images that are resident as in a real run. */
import { randomFillSync } from 'node:crypto';
import { cpus } from 'node:os';
import type { NumberFormats } from '../native/number-formats';
import type { NativeDataset, NativeTrainer } from '../native/types';
import { type Engine, openEngine } from './device';
import type { RunOptions } from './observer';
import { withOwned } from './owned';
import { packageVersion } from './package-version';
import type { BenchStepRecipe } from './recipe';
import type { BENCH_MODELS } from './recipe-fields';
import { releaseImages } from './session';

/** One run of one program. */
export interface StepRecord {
  system: string;
  dtype: string;
  /** Of the whole timed window. */
  imagesPerSecond: number;
  stepMs: number;
  /** How full batches were run: replays of a recorded step, or one by one and why; absent on a CPU, and of a peer. */
  engine?: 'captured' | 'eager' | `eager: ${string}` | undefined;
  /** Largest resident memory of the process, MiB; null on a GPU, where the board's memory counts. */
  residentMib: number | null;
  versions: Record<string, string | number>;
}

/** What a name of --model stands for. At 32 pixels the images are as many as CIFAR trains on, else as many as the peer makes. */
const cifar = { classes: 10, size: 32, padding: 4, images: 50_000 };
const imagenet = { classes: 1000, size: 224, padding: 0, images: 1024 };
export const NETWORKS: Record<(typeof BENCH_MODELS)[number], typeof cifar & { arch: string; depth: number }> = {
  vgg16: { arch: 'vgg', depth: 16, ...cifar },
  preresnet101: { arch: 'resnet', depth: 101, ...cifar },
  resnet18: { arch: 'resnet18', depth: 18, ...imagenet },
  resnet50: { arch: 'resnet50_official', depth: 50, ...imagenet },
};

export const HYPER_PARAMETERS = { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4 };
export const LR = 0.1;
const SLICE_BYTES = 64 << 20;

export async function timeStep(
  recipe: BenchStepRecipe,
  { signal, observer }: RunOptions = {},
  formats?: NumberFormats,
): Promise<StepRecord> {
  const engine = openEngine(recipe, observer?.log);
  const { addon, device, precision } = engine;
  const { arch, depth, classes } = NETWORKS[recipe.model];
  const { seed, capture } = recipe;
  return withOwned(async (own) => {
    const dataset = own(await randomImages(engine, recipe));
    const model = own(await addon.createModel({ arch, depth, classes, seed, device, formats }));
    const trainer = own(await addon.createTrainer(model, { ...HYPER_PARAMETERS, precision, seed, capture }));
    await timeSteps(trainer, dataset, recipe, { steps: recipe.warmup, epoch: 0 }, signal);
    return {
      system: 'earlybird',
      dtype: precision,
      ...(await timeSteps(trainer, dataset, recipe, { steps: recipe.steps, epoch: 1 }, signal)),
      ...(device === 'cpu' ? { engine: undefined } : {}),
      residentMib: device === 'cpu' ? process.resourceUsage().maxRSS / 1024 : null,
      versions: { earlybird: packageVersion(), libtorch: addon.loaded, node: process.version, ...machine(engine) },
    };
  });
}

/** So many steps, from the begin of an epoch on; a short epoch is followed by others. */
export async function timeSteps(
  trainer: NativeTrainer,
  dataset: NativeDataset,
  { batchSize }: { batchSize: number },
  { steps: wanted, epoch: first }: { steps: number; epoch: number },
  signal?: AbortSignal,
): Promise<Pick<StepRecord, 'imagesPerSecond' | 'stepMs' | 'engine'>> {
  let [seconds, images, steps] = [0, 0, 0];
  let engine: StepRecord['engine'];
  for (let epoch = first; steps < wanted; epoch++) {
    const pass = await trainer.epoch({ dataset, lr: LR, batchSize, signal, epoch, steps: wanted - steps });
    seconds += pass.seconds;
    images += pass.images;
    steps += pass.steps;
    engine = pass.captured ? 'captured' : pass.whyEager ? `eager: ${pass.whyEager}` : 'eager';
  }
  return { imagesPerSecond: images / seconds, stepMs: (1000 * seconds) / steps, engine };
}

/** What a pass over CIFAR's training images takes at this rate. */
export const cifarEpochSeconds = (imagesPerSecond: number): number => cifar.images / imagesPerSecond;

export async function randomImages(
  { addon, device }: Engine,
  { model, batchSize }: Pick<BenchStepRecipe, 'model' | 'batchSize'>,
): Promise<NativeDataset> {
  const { classes, size, padding, images } = NETWORKS[model];
  const count = Math.ceil(images / batchSize) * batchSize; // every batch is full
  const pixels = new Uint8Array(count * size * size * 3);
  // In slices: the generator takes at most 2 GiB at a time.
  for (let at = 0; at < pixels.length; at += SLICE_BYTES) randomFillSync(pixels.subarray(at, at + SLICE_BYTES));
  const dataset = await addon.createDataset({
    images: pixels,
    labels: Int32Array.from({ length: count }, (_, i) => i % classes),
    height: size,
    width: size,
    classes,
    device,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2023, 0.1994, 0.201],
    padding,
    flip: true,
    filter: { kind: 'none', sigma: 1 },
    threshold: 0,
  });
  releaseImages(pixels);
  return dataset;
}

function machine({ addon, device }: Engine): Record<string, string | number> {
  const { threads, cpuCapability, cudaDevices } = addon.runtime();
  const gpu = cudaDevices.find(({ index }) => device === `cuda:${index}`);
  return { device: gpu?.name ?? `${cpus()[0]?.model ?? 'unknown'} (${cpuCapability})`, threads };
}
