/** The networks of benchmarks, with gammas that can be told apart. */

import { randomFillSync } from 'node:crypto';
import { KNOWN, type KnownDataset } from '../data/known';
import { Random } from '../data/random';
import { releaseImages } from '../engine/datasets';
import type { Engine } from '../engine/device';
import type { NativeDataset } from '../native/types/dataset';
import type { ModelDescription, NativeModel } from '../native/types/model';
import type { NumberFormats } from '../native/types/number-formats';
import type { BENCH_MODELS } from '../recipe/benchmarks';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { TensorData } from '../tensor';

/** Every gamma has another size, in an order drawn from the seed: a fresh network's are all equal, so that no mask could be drawn. */
export async function networkWithGammas(
  engine: Engine,
  recipe: Pick<BenchStepRecipe, 'model' | 'seed'>,
): Promise<NativeModel> {
  const model = await createNetwork(engine, recipe);
  try {
    await drawGammas(model, recipe.seed);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

async function drawGammas(model: NativeModel, seed: number): Promise<void> {
  const state = await model.stateDict();
  for (const [key, gammas] of gammasFor(model.describe(), seed)) state.set(`${key}.weight`, gammas);
  await model.loadStateDict(state);
}

/** Between 0 and 1, by the key of the BN layer. */
export function gammasFor({ batchNorms }: Pick<ModelDescription, 'batchNorms'>, seed: number): Map<string, TensorData> {
  const total = batchNorms.reduce((sum, { channels }) => sum + channels, 0);
  const order = shuffled(total, seed);
  let at = 0;
  return new Map(
    batchNorms.map(({ key, channels }) => {
      const values = Float32Array.from({ length: channels }, () => (order[at++]! + 1) / (total + 1));
      return [key, { dtype: 'float32', shape: [channels], data: new Uint8Array(values.buffer) }];
    }),
  );
}

function shuffled(count: number, seed: number): number[] {
  const random = new Random(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

const { cifar10, imagenet } = KNOWN;
/** The networks of --model, and the data set that they are meant for. */
export const NETWORKS: Record<(typeof BENCH_MODELS)[number], { arch: string; depth: number; data: KnownDataset }> = {
  vgg16: { arch: 'vgg', depth: 16, data: cifar10 },
  preresnet101: { arch: 'resnet', depth: 101, data: cifar10 },
  resnet18: { arch: 'resnet18', depth: 18, data: imagenet },
  resnet50: { arch: 'resnet50_official', depth: 50, data: imagenet },
};

/** A new network of the benchmark. */
export function createNetwork(
  { addon, device }: Engine,
  { model, seed }: Pick<BenchStepRecipe, 'model' | 'seed'>,
  formats?: NumberFormats,
): Promise<NativeModel> {
  const { arch, depth, data } = NETWORKS[model];
  return addon.createModel({ arch, depth, classes: data.classes, seed, device, formats });
}

export const HYPER_PARAMETERS = { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4 };
export const LR = 0.1;
export const SLICE_BYTES = 64 << 20;
/** Images of 224 pixels in memory: as many as the peer has. */
const IMAGENET_IMAGES = 1024;

export async function randomImages(
  { addon, device }: Engine,
  { model, batchSize }: Pick<BenchStepRecipe, 'model' | 'batchSize'>,
): Promise<NativeDataset> {
  const { data } = NETWORKS[model];
  const { classes, size, padding } = data;
  const images = data === imagenet ? IMAGENET_IMAGES : data.counts.train;
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
