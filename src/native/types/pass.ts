import type { BadImage, NativeDataset } from './dataset';
import type { Rounding } from './number-formats';

/** Precision of the arithmetic: fp32, or bf16 autocast with fp32 weights. */
export type Precision = 'fp32' | 'bf16';

/** State of a running pass. */
export interface Progress {
  step: number;
  steps: number;
  /** Number of images so far. */
  images: number;
  seconds: number;
  /** Running mean of the loss; null where the device has not reported yet. */
  loss: number | null;
  /** Running mean of the accuracy in percent; null where the device has not reported yet. */
  top1: number | null;
}

/** Options that all passes share. */
export interface PassOptions {
  dataset: NativeDataset;
  batchSize: number;
  signal?: AbortSignal;
  /** Called at most four times a second. */
  onProgress?: (progress: Progress) => void;
}

/** Options of {@link NativeTrainer.epoch}. */
export interface EpochOptions extends PassOptions {
  /** Index of the epoch from 0; shuffling and augmentation depend on it. */
  epoch: number;
  /** Learning rate. */
  lr: number;
  /** Number of steps to train, where not the whole epoch. */
  steps?: number;
  /**
   * Position to go on from; the beginning of the epoch when absent. ERR_CHECKPOINT where this epoch has no such
   * position.
   */
  from?: EpochPosition;
}

/**
 * Position within a training epoch. With weights and momentum of that moment it is all that is needed to go on exactly.
 */
export interface EpochPosition {
  /** Number of batches in the order of the epoch; batches that lost all their images count here and not in `steps`. */
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
  /** See {@link TrainerOptions}. */
  capture?: boolean;
}

/** Options of {@link NativeModel.estimateNorms}. */
export interface EstimateNormsOptions extends PassOptions {
  precision: Precision;
  /** Seed, on which with the epoch the order of the images and their augmentation depend. */
  seed: number;
  epoch: number;
}

/**
 * Result of one pass over a data set. Accuracies are in percent. `BatchMean` is the unweighted mean of batch values, as
 * the reference prints it.
 */
export interface PassResult {
  images: number;
  steps: number;
  seconds: number;
  /** Mean loss over images. */
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
  /** Reason why nothing was recorded on a device that can record; otherwise empty or absent. */
  whyEager?: string;
}
