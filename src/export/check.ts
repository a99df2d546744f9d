/** Runs an ONNX network in onnxruntime: compares its logits with ours, and its speed with that of the dense network. */
import { performance } from 'node:perf_hooks';
import { Random } from '../data/random';
import { EarlybirdError } from '../errors';
import { alternating, ratioOf, type Spread, spread } from '../measure';
import type { NativeModel } from '../native/types/model';
import type { ExportRecipe } from '../recipe/recipe';
import type { TensorData } from '../tensor';
import { floatsOf, floatTensor } from './graph';
import type { Network, Runtime } from './runtime';

/** Allowed difference of logits, as a share of the largest, or of 1 where all are smaller. */
const TOLERANCE = 1e-5;
/** Batch sizes that are compared: two of them, so that an open batch is tried. */
const COMPARED = [1, 3];

/** A comparison of logits. */
export interface Compared {
  /** Version of onnxruntime. */
  runtime: string;
  images: number;
  /** The largest difference, as a share of the largest logit, or of 1 where all are smaller. */
  difference: number;
}

/** Compares `onnx` with `model`. Null, with a line of `log`, where onnxruntime is not installed. Throws ERR_NUMERIC. */
export async function compareLogits(
  runtime: Runtime | string,
  onnx: Uint8Array,
  model: NativeModel,
  log: (line: string) => void,
): Promise<Compared | null> {
  if (typeof runtime === 'string') {
    log(`the logits were not compared with those of onnxruntime: ${runtime}`);
    return null;
  }
  await using network = await runtime.open(onnx);
  let difference = 0;
  for (const batch of COMPARED) {
    const images = someImages(batch, model.describe().input);
    const own = await model.forward(images, { precision: 'fp32' });
    difference = Math.max(difference, differenceOf(own, await network.logits(images)));
  }
  if (difference <= TOLERANCE)
    return { runtime: runtime.version, images: COMPARED.reduce((a, b) => a + b), difference };
  throw new EarlybirdError(
    'ERR_NUMERIC',
    `The logits in onnxruntime ${runtime.version} differ by ${difference.toExponential(1)} of the largest, more than ${TOLERANCE}: nothing was written, please report it.`,
  );
}

/** Images of nearly normal values, the same on every machine. */
function someImages(batch: number, [channels, height, width]: readonly [number, number, number]): TensorData {
  const random = new Random(batch);
  const values = Float32Array.from({ length: batch * channels * height * width }, () => random.bell());
  return floatTensor(values, [batch, channels, height, width]);
}

/**
 * The largest difference as a share of the largest logit, or of 1 where all are smaller. A NaN on one side counts as an
 * infinite difference.
 */
export function differenceOf(ours: TensorData, theirs: TensorData): number {
  if (ours.shape.join() !== theirs.shape.join()) return Number.POSITIVE_INFINITY;
  const [a, b] = [floatsOf(ours), floatsOf(theirs)];
  const differences = a.map((value, i) => Math.abs(value - b[i]!));
  if (differences.some(Number.isNaN)) return Number.POSITIVE_INFINITY;
  return Math.max(...differences) / Math.max(1, ...a.map(Math.abs));
}

/** Speed in onnxruntime, in images a second. */
export interface ExportSpeed {
  /** Version of onnxruntime. */
  runtime: string;
  batchSize: number;
  network: Spread;
  /** Speed of the dense network; null where the network is the dense one itself. */
  dense: Spread | null;
  /** Speed over that of the dense network. */
  ratio: number | null;
  /** Forward FLOPs of the dense network. */
  denseFlops: number | null;
}

interface Timed {
  onnx: Uint8Array;
  dense: { onnx: Uint8Array; flops: number } | null;
}

/** Times the networks in turns, so that a machine that slows down favours none. The first run of each is not timed. */
export async function timeBoth(
  runtime: Runtime,
  { onnx, dense }: Timed,
  input: readonly [number, number, number],
  { batchSize, rounds, threads }: ExportRecipe,
  signal?: AbortSignal,
): Promise<ExportSpeed> {
  const images = someImages(batchSize, input);
  await using network = await runtime.open(onnx, threads);
  await using other = dense && (await runtime.open(dense.onnx, threads));
  const turns: { network: Network; rates: number[] }[] = [network, ...(other ? [other] : [])].map((one) => ({
    network: one,
    rates: [],
  }));
  for (let round = -1; round < rounds; round++) {
    for (const turn of alternating(turns, round)) {
      signal?.throwIfAborted();
      const start = performance.now();
      await turn.network.logits(images);
      if (round >= 0) turn.rates.push((1000 * batchSize) / (performance.now() - start));
    }
  }
  const [own, others] = turns.map(({ rates }) => spread(rates));
  const ratio = ratioOf(own, others);
  return {
    runtime: runtime.version,
    batchSize,
    network: own!,
    dense: others ?? null,
    ratio,
    denseFlops: dense?.flops ?? null,
  };
}
