/** The networks of the benchmarks and the random images that they train on. */
import { randomFillSync } from 'node:crypto';
import { MEAN, STD } from '../data/dataset';
import { KNOWN, type KnownDataset } from '../data/known';
import { Random } from '../data/random';
import { releaseImages } from '../engine/datasets';
import type { Engine } from '../engine/device';
import { chooseKernels, roundingOf } from '../engine/kernels';
import { disposing, orDispose } from '../native/owned';
import type { NativeDataset } from '../native/types/dataset';
import type { ModelDescription, NativeModel } from '../native/types/model';
import type { NumberFormats } from '../native/types/number-formats';
import type { Ranks } from '../ranks/ranks';
import type { BENCH_MODELS } from '../recipe/benchmarks';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { TensorData } from '../tensor';

const { cifar10, imagenet } = KNOWN;
/** The networks of --model, and the data set that each is meant for. */
export const NETWORKS: Record<(typeof BENCH_MODELS)[number], { arch: string; depth: number; data: KnownDataset }> = {
  vgg16: { arch: 'vgg', depth: 16, data: cifar10 },
  preresnet101: { arch: 'resnet', depth: 101, data: cifar10 },
  resnet18: { arch: 'resnet18', depth: 18, data: imagenet },
  resnet50: { arch: 'resnet50_official', depth: 50, data: imagenet },
};

export const HYPER_PARAMETERS = { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4 };
export const LR = 0.1;

type Workload = Pick<BenchStepRecipe, 'model' | 'batchSize' | 'seed'> & {
  capture?: boolean | undefined;
  /** Ranks that train the network together. */
  ranks?: Ranks | undefined;
} & Partial<Pick<BenchStepRecipe, 'ticket' | 'roundTo'>>;

/** Options of a training; `formats` are those of low precision. */
type TrainingOptions = RunOptions & { formats?: NumberFormats | undefined };

/** A new network, or the ticket of one, with a trainer, and images for it. */
export async function createTraining(engine: Engine, recipe: Workload, options: TrainingOptions = {}) {
  const { precision, addon } = engine;
  const { seed, capture } = recipe;
  const dataset = await randomImages(engine, recipe);
  return orDispose(dataset, async () => {
    const model = await networkOrTicket(engine, recipe, options);
    return orDispose(model, async () => {
      const trainer = await addon.createTrainer(model, { ...HYPER_PARAMETERS, precision, seed, capture });
      const kernels = await chooseKernels(engine, model);
      return { dataset, model, trainer, kernels, ...disposing([dataset, model, trainer]) };
    });
  });
}

function createNetwork(
  { addon, device }: Engine,
  { model, seed, ranks }: Pick<Workload, 'model' | 'seed' | 'ranks'>,
  formats?: NumberFormats,
): Promise<NativeModel> {
  const { arch, depth, data } = NETWORKS[model];
  const together = ranks && { ranks: ranks.group, syncNorms: ranks.options.syncBn ?? false };
  return addon.createModel({ arch, depth, classes: data.classes, seed, device, formats, ...together });
}

async function networkOrTicket(engine: Engine, recipe: Workload, options: TrainingOptions): Promise<NativeModel> {
  const { ticket, roundTo = 1 } = recipe;
  if (ticket === undefined) return createNetwork(engine, recipe, options.formats);
  using dense = await networkWithGammas(engine, recipe, options.formats);
  return await ticketOf(engine, dense, { ticket, roundTo }, options);
}

/** The ticket of a pruning ratio by the gammas of a dense network. */
export async function ticketOf(
  engine: Engine,
  dense: NativeModel,
  { ticket, roundTo }: { ticket: number; roundTo: BenchStepRecipe['roundTo'] },
  { signal, observer }: RunOptions = {},
): Promise<NativeModel> {
  const [mask] = await dense.masks([ticket]);
  const rounding = await roundingOf(engine, dense, roundTo, { log: observer?.log, signal });
  return (await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', ...rounding })).model;
}

/**
 * A network with different gammas in an order drawn from the seed, since equal gammas, as in a new network, give no
 * mask.
 */
export async function networkWithGammas(
  engine: Engine,
  recipe: Pick<Workload, 'model' | 'seed'>,
  formats?: NumberFormats,
): Promise<NativeModel> {
  const model = await createNetwork(engine, recipe, formats);
  return orDispose(model, async () => {
    const state = await model.stateDict();
    for (const [key, gammas] of gammasFor(model.describe(), recipe.seed)) state.set(`${key}.weight`, gammas);
    await model.loadStateDict(state);
    return model;
  });
}

/** Gammas between 0 and 1, by the key of the BatchNorm layer. */
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

/** Number of images of 224 pixels, as many as the peer makes. */
const IMAGENET_IMAGES = 1024;
/** Bytes per call of the generator of random bytes, which takes at most 2 GiB. */
const SLICE_BYTES = 64 << 20;

/** A set of random images: as many as CIFAR trains on, or IMAGENET_IMAGES, rounded up to whole batches. */
export async function randomImages(
  { addon, device }: Engine,
  { model, batchSize, ranks }: Pick<Workload, 'model' | 'batchSize' | 'ranks'>,
): Promise<NativeDataset> {
  const { data } = NETWORKS[model];
  const { classes, size, padding, counts } = data;
  const count = Math.ceil((data === imagenet ? IMAGENET_IMAGES : counts.train) / batchSize) * batchSize;
  const pixels = new Uint8Array(count * size * size * 3);
  for (let at = 0; at < pixels.length; at += SLICE_BYTES) randomFillSync(pixels.subarray(at, at + SLICE_BYTES));
  const dataset = await addon.createDataset({
    images: pixels,
    labels: Int32Array.from({ length: count }, (_, i) => i % classes),
    height: size,
    width: size,
    classes,
    device,
    mean: [...MEAN],
    std: [...STD],
    padding,
    flip: true,
    filter: { kind: 'none', sigma: 1 },
    threshold: 0,
    ...(ranks && { rank: ranks.place.rank, worldSize: ranks.place.size }),
  });
  releaseImages(pixels);
  return dataset;
}
