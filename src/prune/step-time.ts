/** Times training steps of several networks side by side. */
import { performance } from 'node:perf_hooks';
import { alternating, type Spread, spread } from '../measure';
import { disposing } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { NativeModel } from '../native/types/model';
import type { Precision } from '../native/types/pass';
import type { NativeTrainer } from '../native/types/trainer';
import type { TensorData } from '../tensor';

const ROUNDS = 5;
/**
 * Largest range of the steps, as a share of the median; beyond it something else used the machine, and medians say
 * little.
 */
const STEADY = 0.5;
/** Batch sizes: images wider than those of CIFAR come in small batches, as only the ratio counts. */
const [SMALL_SIDE, SMALL_BATCH, LARGE_BATCH] = [64, 32, 4];

interface StepTimes {
  batchSize: number;
  /** Side of the images, pixels. */
  imageSize: number;
  /** Milliseconds of a step, in the order of the models. */
  milliseconds: Spread[];
}

export const batchFor = (side: number) => (side > SMALL_SIDE ? LARGE_BATCH : SMALL_BATCH);

/**
 * Times five steps of each model after an untimed one, in turns, on random images of the first model's input size.
 * Weights stay (learning rate 0), but BatchNorm statistics change, so it suits only models whose state is no longer
 * needed.
 */
export async function compareSteps(
  addon: NativeAddon,
  models: readonly NativeModel[],
  { precision, seed, signal }: { precision: Precision; seed: number; signal?: AbortSignal | undefined },
): Promise<StepTimes> {
  const { input, classes } = models[0]!.describe();
  const imageSize = input[1];
  const batchSize = batchFor(imageSize);
  const images = noise([batchSize, ...input]);
  const labels = Int32Array.from({ length: batchSize }, (_, i) => i % classes);
  const trainers: NativeTrainer[] = [];
  using _trainers = disposing(trainers);
  for (const model of models) {
    trainers.push(await addon.createTrainer(model, { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4, precision, seed }));
  }
  const times = trainers.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, trainer] of alternating([...trainers.entries()], round)) {
      signal?.throwIfAborted();
      const start = performance.now();
      await trainer.step({ images, labels, lr: 0 });
      if (round > 0) times[i]!.push(performance.now() - start);
    }
  }
  return { batchSize, imageSize, milliseconds: times.map((values) => spread(values)!) };
}

export const isNoisy = ({ median, low, high }: Spread) => high - low > STEADY * median;

function noise(shape: number[]): TensorData {
  const values = Float32Array.from(
    { length: shape.reduce((a, b) => a * b) },
    (_, i) => ((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24) * 4 - 2,
  );
  return { dtype: 'float32', shape, data: new Uint8Array(values.buffer) };
}
