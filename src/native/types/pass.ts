import type { BadImage, NativeDataset } from './dataset';
import type { Rounding } from './number-formats';

export type Precision = 'fp32' | 'bf16';
export interface Progress {
  step: number;
  steps: number;
  images: number;
  seconds: number;
  /** Running means; null where the device has not reported yet. */
  loss: number | null;
  top1: number | null;
}
interface PassOptions {
  dataset: NativeDataset;
  batchSize: number;
  signal?: AbortSignal;
  /** At most four times a second. */
  onProgress?: (progress: Progress) => void;
}

export interface EpochOptions extends PassOptions {
  /** Epoch index: keys shuffle and augmentation. */
  epoch: number;
  lr: number;
  /** Ends the epoch after this many steps: for benchmarks. */
  steps?: number;
}

export interface EvaluateOptions extends PassOptions {
  precision: Precision;
  /** Low precision: how activations are rounded, instead of as the model's formats say. */
  rounding?: Rounding;
  /** As a trainer's. */
  capture?: boolean;
}

export interface EstimateNormsOptions extends PassOptions {
  precision: Precision;
  /** Key the order of the images and their augmentation. */
  seed: number;
  epoch: number;
}

/** One pass over a dataset. Accuracies in percent. `BatchMean` values are unweighted means of batch values, as the reference prints. */
export interface PassResult {
  images: number;
  steps: number;
  seconds: number;
  /** Mean over samples. */
  loss: number;
  lossBatchMean: number;
  top1: number;
  top1BatchMean: number;
  top5: number;
  top5BatchMean: number;
  /** Seconds the steps waited for data; 0 where all of it is on the device. */
  waited: number;
  /** Images left out because they do not decode. */
  bad: BadImage[];
  /** Full batches were replays of one recorded step. Absent: no. */
  captured?: boolean;
  /** Why not, where the device could; else empty or absent. */
  whyEager?: string;
}
