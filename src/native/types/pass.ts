import type { BadImage, NativeDataset } from './dataset';
import type { Rounding } from './number-formats';

/** fp32, or bf16 autocast with fp32 weights. */
export type Precision = 'fp32' | 'bf16';

/** State of a running pass. */
export interface Progress {
  step: number;
  steps: number;
  /** Images so far. */
  images: number;
  seconds: number;
  /** Running means, `top1` in percent; null where the device has not reported yet. */
  loss: number | null;
  top1: number | null;
}

/** Options that all passes share. */
export interface PassOptions {
  dataset: NativeDataset;
  batchSize: number;
  signal?: AbortSignal;
  /** At most four times a second. */
  onProgress?: (progress: Progress) => void;
}

/** Options of {@link NativeTrainer.epoch}. */
export interface EpochOptions extends PassOptions {
  /** Counted from 0; shuffling and augmentation depend on it. */
  epoch: number;
  /** Learning rate. */
  lr: number;
  /** Trains only this many steps of it. */
  steps?: number;
  /** Where it goes on; its beginning when absent. ERR_CHECKPOINT where this epoch has no such place. */
  from?: EpochPosition;
}

/** How far a training epoch has got: with weights and momentum of that moment, all that going on exactly needs. */
export interface EpochPosition {
  /** Of the order of the epoch; those that lost all their images count here and not in `steps`. */
  batches: number;
  steps: number;
  images: number;
  /** Sums of loss and correct answers over the steps. */
  sums: number[];
  seconds: number;
  waited: number;
  bad: BadImage[];
}

/** Options of {@link NativeModel.evaluate}. */
export interface EvaluateOptions extends PassOptions {
  precision: Precision;
  /** Rounding of activations in low precision; that of the model's formats when absent. */
  rounding?: Rounding;
  /** As in {@link TrainerOptions}. */
  capture?: boolean;
}

/** Options of {@link NativeModel.estimateNorms}. */
export interface EstimateNormsOptions extends PassOptions {
  precision: Precision;
  /** The order of the images and their augmentation depend on seed and epoch. */
  seed: number;
  epoch: number;
}

/** One pass over a data set. Accuracies in percent. `BatchMean`: mean of batch values without weights, as the reference prints. */
export interface PassResult {
  images: number;
  steps: number;
  seconds: number;
  /** Mean over images. */
  loss: number;
  lossBatchMean: number;
  top1: number;
  top1BatchMean: number;
  top5: number;
  top5BatchMean: number;
  /** Seconds that steps waited for data; 0 for data on the device. */
  waited: number;
  /** Images that do not decode and were left out. */
  bad: BadImage[];
  /** True where full batches replayed one recorded step. */
  captured?: boolean;
  /** Why nothing was recorded on a device that can; else empty or absent. */
  whyEager?: string;
}
