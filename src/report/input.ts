/** What the report room draws. The experiment room fills it in; nothing here knows where it comes from. */

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
  /** Joules of the epoch's passes and detection, or null where nothing measures them. */
  joules: number | null;
  /** What was spent since the line before, by window; "whole" is all of it. Absent where nothing was metered. */
  energy?: EnergyTotals;
  /** Per ratio (percent, for example "30"): distances of the mask drawn BEFORE this epoch to the older ones, or null while the window fills. */
  distances: Record<string, number[] | null>;
  /** Per ratio: file number (epoch + 1) at which the ticket emerged, once it has. */
  emerged: Record<string, number>;
}

/** Sum over all windows of one name. */
export interface EnergyTotal {
  windows: number;
  seconds: number;
  /** null where any of the windows could not be read, or the same parts were not read in all of them. */
  joules: number | null;
  /** Joules by part and method, for example "gpu counter": what was read, also where it is no sum. Absent where nothing was. */
  parts?: Record<string, number>;
  /** Why there is no figure, or that it is coarse or estimated; what could never be read says so in the sources. */
  reason?: string;
}

export type EnergyTotals = Record<string, EnergyTotal>;

export interface AverageMetrics {
  n: number;
  loss: number;
  top1: number;
  top1BatchMean: number;
  top5: number;
  /** Estimating its BatchNorm statistics, and testing it. */
  seconds: number;
}

export interface RunCurves {
  /** For example "search (dense)", "ticket p=0.3, inherited". */
  name: string;
  phase: 'search' | 'retrain';
  metrics: EpochMetrics[];
}

export interface MaskMatrix {
  /** Network, for example "VGG-16". */
  network: string;
  /** Pruning ratio, 0..1. */
  ratio: number;
  /** Completed epochs at which each row's mask was drawn. */
  epochs: number[];
  /** epochs.length^2 fractions of equal bits (1 - distance), row-major. */
  overlap: Float64Array;
  /** Completed epochs at which the ticket emerged, or null. */
  emergedAt: number | null;
  /** Number of masks the detector compares (5 by default): the side of the dashed box. */
  window: number;
  /** Which of them it compares: the newest with each older one, or each with the one before it. */
  compared: 'newest' | 'adjacent';
}

export interface LayerChannels {
  name: string;
  ratio: number;
  layers: { key: string; total: number; kept: number; clamped: number }[];
}

/** Accuracy after retraining a ticket drawn at some epoch (paper Fig. 1). */
export interface DrawingCurve {
  name: string;
  ratio: number;
  points: { epoch: number; top1: number }[];
  /** Dense accuracy for the horizontal line, if known. */
  dense: number | null;
}

/** What a method reached and took, over its seeds. */
export interface CostPoint {
  method: string;
  /** null: the dense network. */
  ratio: number | null;
  /** Percent. */
  top1: number;
  top1Sd: number | null;
  cost: number;
  costSd: number | null;
}

export interface SummaryRow {
  label: string;
  /** Exact top-1 of the last epoch and the best epoch (chosen on the test set, as the reference does), percent. */
  top1Last: number;
  top1Best: number;
  /** Of the mean of the weights (--swa), in full precision, after the last epoch. */
  top1Swa?: number | null;
  parameters: number;
  /** Forward FLOPs of one image by the reference's rule. */
  flops: number;
  /** Wall seconds spent in training and evaluation. */
  seconds: number;
  joules: number | null;
  /** How these were come by, to be said under the table: "measured: ...", "estimated from ...". */
  joulesBy?: string | null;
}

export interface ReportInput {
  title: string;
  /** Shown everywhere; a synthetic dataset is labelled as such in every figure and table. */
  dataset: { name: string; synthetic: boolean; train: number; test: number };
  /** Validated recipe, for the appendix. */
  recipe: unknown;
  /** Versions, device, command line, git commit, seed: shown as a table of strings. */
  provenance: Record<string, string>;
  runs: RunCurves[];
  matrices: MaskMatrix[];
  channels: LayerChannels[];
  drawing: DrawingCurve[];
  summary: SummaryRow[];
  /** What each phase took, by path, and where the figures come from: sentences. */
  energy?: { phases: EnergyTotals; sources: string[] } | null;
  /** Distance at or under which a ticket emerges: the dashed line of the distances figure. 0.1 by default. */
  threshold?: number;
}
