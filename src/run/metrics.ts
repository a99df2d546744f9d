/** One line of metrics.jsonl: the measurements of an epoch. */
export interface EpochMetrics {
  /** Epoch index, 0-based. */
  epoch: number;
  /** Epochs completed once this line is written (epoch + 1). */
  completed: number;
  lr: number;
  /** Accuracies in percent; batchMean values as the reference prints them. */
  train: { loss: number; lossBatchMean: number; top1: number; top1BatchMean: number };
  test: { loss: number; top1: number; top1BatchMean: number; top5: number };
  /** The mean of the weights after `n` epochs (--swa), a network of its own, tested in full precision. Absent before it begins. */
  swa?: AverageMetrics;
  /** `waited`: the part of `train` in which steps waited for data. Absent in files of earlier versions, as `bad`. */
  seconds: { train: number; evaluate: number; waited?: number };
  /** Training images that did not decode and were left out. */
  bad?: number;
  imagesPerSecond: number;
  /** What its training multiplied. Absent in files of earlier versions. */
  arithmetic?: EpochArithmetic;
  /** Joules of the epoch's passes and detection, or null where nothing measures them. */
  joules: number | null;
  /** Energy since the line before, by window; "whole" is all of it. Absent where nothing was metered. */
  energy?: EnergyTotals;
  /** Per ratio (percent, for example "30"): distances of the mask drawn BEFORE this epoch to the older ones, or null while the window fills. */
  distances: Record<string, number[] | null>;
  /** With another detector than hamming, instead of distances: its signal per ratio, null while it has not seen enough. */
  signals?: Record<string, number | null>;
  /** Per ratio: file number (epoch + 1) at which the ticket emerged, once it has. */
  emerged: Record<string, number>;
}

/** Costs by counting (docs/cost.md#bit-operations). */
export interface ArithmeticCosts {
  /** Multiply-adds times the bits of both operands, 1e9. */
  gbitops: number;
  /** Of the multiply-adds alone, by a table: nothing measured it. */
  modelledJoules: number;
}

/** The arithmetic of an epoch's training. */
export interface EpochArithmetic extends ArithmeticCosts {
  /**
   * Bits of the operands of convolutions, 32 or 16 in full precision. `error` and `grad`: the gradient of an output, in the gradients of
   * the input and of the weight.
   */
  bits: { weight: number; activate: number; error: number; grad: number };
  /** With --precision-schedule: the formats of its forward passes, as the ladder names them. */
  forward?: string;
}

/** A test of the averaged weights (--swa). */
export interface AverageMetrics {
  n: number;
  loss: number;
  top1: number;
  top1BatchMean: number;
  top5: number;
  /** Estimating its BatchNorm statistics, and testing it. */
  seconds: number;
}

/** Sum over all windows of one name. */
export interface EnergyTotal {
  windows: number;
  seconds: number;
  /** null where any of the windows could not be read, or the same parts were not read in all of them. */
  joules: number | null;
  /** Joules by part and method, for example "gpu counter", also where `joules` is null. Absent where nothing was read. */
  parts?: Record<string, number>;
  /** With several ranks: joules by host. */
  hosts?: Record<string, number>;
  /** Why there is no figure, or that it is coarse or estimated. */
  reason?: string;
}

/** Totals by window (metrics.jsonl) or by phase (energy.json). */
export type EnergyTotals = Record<string, EnergyTotal>;
