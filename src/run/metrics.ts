/** One line of metrics.jsonl: the measurements of an epoch. */
export interface EpochMetrics {
  /** Index of the epoch, from 0. */
  epoch: number;
  /** Number of epochs completed once this line is written (epoch + 1). */
  completed: number;
  lr: number;
  /** Means of the training pass. Accuracies are in percent; batchMean values are those that the reference prints. */
  train: { loss: number; lossBatchMean: number; top1: number; top1BatchMean: number };
  test: { loss: number; top1: number; top1BatchMean: number; top5: number };
  /**
   * Test of the mean of the weights after `n` epochs (--swa), a network of its own, in full precision. Absent before
   * averaging begins.
   */
  swa?: AverageMetrics;
  /**
   * Seconds of the passes. `waited`: the part of `train` in which steps waited for data. Absent in files of earlier
   * versions, as is `bad`.
   */
  seconds: { train: number; evaluate: number; waited?: number };
  /** Number of training images that did not decode and were left out. */
  bad?: number;
  imagesPerSecond: number;
  /** Arithmetic of its training. Absent in files of earlier versions. */
  arithmetic?: EpochArithmetic;
  /** Joules of the epoch's passes and detection; null where nothing measures them. */
  joules: number | null;
  /** Energy since the previous line, by window; "whole" is all of it. Absent where nothing was metered. */
  energy?: EnergyTotals;
  /**
   * Distances by ratio (in percent, for example "30") of the mask drawn BEFORE this epoch to the older ones; null while
   * the window fills.
   */
  distances: Record<string, number[] | null>;
  /**
   * Signal by ratio of a detector other than hamming, given instead of distances; null while it has not seen enough.
   */
  signals?: Record<string, number | null>;
  /** Number in the file name (epoch + 1) of the ticket by ratio, once it has emerged. */
  emerged: Record<string, number>;
}

/** Costs by counting (docs/cost.md#bit-operations). */
export interface ArithmeticCosts {
  /** 1e9 bit operations: multiply-adds times the bits of both operands. */
  gbitops: number;
  /** Joules of the multiply-adds alone by a table, never measured. */
  modelledJoules: number;
}

/** The arithmetic of an epoch's training. */
export interface EpochArithmetic extends ArithmeticCosts {
  /**
   * Bits of the operands of convolutions, 32 or 16 in full precision. `error` and `grad` are the gradient of an output
   * as operand of the gradients of the input and of the weight.
   */
  bits: { weight: number; activate: number; error: number; grad: number };
  /** Formats of its forward passes under --precision-schedule, as the ladder names them. */
  forward?: string;
}

/** A test of the averaged weights (--swa). */
export interface AverageMetrics {
  n: number;
  loss: number;
  top1: number;
  top1BatchMean: number;
  top5: number;
  /** Seconds for estimating its BatchNorm statistics and testing it. */
  seconds: number;
}

/** Sum over all windows of one name. */
export interface EnergyTotal {
  windows: number;
  seconds: number;
  /** Joules; null where a window could not be read, or different parts were read in different windows. */
  joules: number | null;
  /**
   * Joules by part and method, for example "gpu counter", given even where `joules` is null. Absent where nothing was
   * read.
   */
  parts?: Record<string, number>;
  /** Joules by host, with several ranks. */
  hosts?: Record<string, number>;
  /** Reason why there is no figure, or why it is coarse or estimated. */
  reason?: string;
}

/** Totals by window (metrics.jsonl) or by phase (energy.json). */
export type EnergyTotals = Record<string, EnergyTotal>;
