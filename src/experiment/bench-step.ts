/** The training step, timed: ours alone, on random images that are resident as in a real run. */
import { randomFillSync } from 'node:crypto';
import { cpus } from 'node:os';
import { type Engine, openEngine } from './device';
import type { RunOptions } from './observer';
import { packageVersion } from './provenance';
import type { BenchStepRecipe } from './recipe';
import { releaseImages } from './session';

/** One run of one program. */
export interface StepRecord {
  system: string;
  dtype: string;
  /** Of the whole timed window. */
  imagesPerSecond: number;
  stepMs: number;
  /** Largest resident memory of the process, MiB; null on a GPU, where the board's memory counts. */
  residentMib: number | null;
  versions: Record<string, string | number>;
}

/** What a name of --model stands for. The images are as many as CIFAR trains on. */
const NETWORKS = { vgg16: { arch: 'vgg', depth: 16, classes: 10, size: 32, images: 50_000 } };

const HYPER_PARAMETERS = { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4 };
const LR = 0.1;
const SLICE_BYTES = 64 << 20;

export async function timeStep(recipe: BenchStepRecipe, { signal, observer }: RunOptions = {}): Promise<StepRecord> {
  const engine = openEngine(recipe, observer?.log);
  const { addon, device, precision } = engine;
  const { arch, depth, classes } = NETWORKS[recipe.model];
  const dataset = await randomImages(engine, recipe);
  const model = await addon.createModel({ arch, depth, classes, seed: recipe.seed, device });
  const trainer = await addon.createTrainer(model, { ...HYPER_PARAMETERS, precision, seed: recipe.seed });
  try {
    const common = { dataset, lr: LR, batchSize: recipe.batchSize, signal };
    await trainer.epoch({ ...common, epoch: 0, steps: recipe.warmup });
    const { seconds, images, steps } = await trainer.epoch({ ...common, epoch: 1, steps: recipe.steps });
    return {
      system: 'earlybird',
      dtype: precision,
      imagesPerSecond: images / seconds,
      stepMs: (1000 * seconds) / steps,
      residentMib: device === 'cpu' ? process.resourceUsage().maxRSS / 1024 : null,
      versions: { earlybird: packageVersion(), libtorch: addon.loaded, node: process.version, ...machine(engine) },
    };
  } finally {
    for (const handle of [trainer, model, dataset]) handle.dispose();
  }
}

async function randomImages({ addon, device }: Engine, { model, batchSize, steps }: BenchStepRecipe) {
  const { classes, size, images } = NETWORKS[model];
  const count = Math.max(images, batchSize * steps); // every batch is full
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
    padding: 4,
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
