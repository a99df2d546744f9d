import type { TicketSpeed } from '../prune/speed';
import type { EnergyTotals, EpochMetrics } from '../run/metrics';
import type { SummaryRow } from '../run/result';
import type { TrainingCost } from '../train/training-cost';

/** Learning curves of a run. */
export interface RunCurves {
  /** Name of the run, such as "search (dense)", "ticket p=0.3, inherited". */
  name: string;
  phase: 'search' | 'retrain';
  metrics: EpochMetrics[];
}

/** Distances between the masks of a run at one pruning ratio. */
export interface MaskMatrix {
  /** Name of the network, for example "VGG-16". */
  network: string;
  /** Pruning ratio, 0 to 1. */
  ratio: number;
  /** Completed epochs at which each row's mask was drawn. */
  epochs: number[];
  /** Shape (epochs.length, epochs.length), row-major: fractions of equal bits, which are 1 - distance. */
  overlap: Float64Array;
  /** Completed epochs at which the ticket emerged; null where none did. */
  emergedAt: number | null;
  /** Number of masks that the detector compares (5 by default), which is the side of the dashed box. */
  window: number;
  /**
   * Pairs that it compares. newest: the newest mask with each older one; adjacent: each mask with the one before it.
   */
  compared: 'newest' | 'adjacent';
}

/** Channels that a ticket keeps in each layer. */
export interface LayerChannels {
  name: string;
  ratio: number;
  layers: { key: string; total: number; kept: number; clamped: number }[];
}

/** Accuracy after retraining, for tickets drawn at several epochs (figure 1 of the paper). */
export interface DrawingCurve {
  name: string;
  ratio: number;
  /** Points of the curve; `top1` is in percent. */
  points: { epoch: number; top1: number }[];
  /** Accuracy of the dense network in percent, for the horizontal line; null where it is unknown. */
  dense: number | null;
}

/** Accuracy after retraining at one ratio, as means over seeds with their intervals. */
export interface StudyCurve {
  ratio: number;
  /**
   * Points in the order of their epochs. `low` and `high` are null for a single seed; `draw` is the name of the draw,
   * of which "best" gets a star.
   */
  points: { epoch: number; top1: number; low: number | null; high: number | null; draw: string }[];
  /** Accuracy of the dense network in percent; null where it is unknown. */
  dense: number | null;
}

/** A mean with its interval, in a row of a dot plot. */
export interface DotPoint {
  ratio: number;
  /** Name of the panel. */
  group: string;
  /** Name of the row. */
  name: string;
  value: number;
  low: number | null;
  high: number | null;
}

/** Mean accuracy and cost of a method, with standard deviations over its seeds. */
export interface CostPoint {
  method: string;
  /** Pruning ratio; null for the dense network. */
  ratio: number | null;
  /** Mean top-1 in percent. */
  top1: number;
  top1Sd: number | null;
  cost: number;
  costSd: number | null;
}

/** Input of {@link writeReport}. */
export interface ReportInput {
  title: string;
  /** Label of every figure and table; `train` and `test` are numbers of images. */
  dataset: { name: string; synthetic: boolean; train: number; test: number };
  /** The recipe, for the appendix. */
  recipe: unknown;
  /** Versions, device, command line, git commit, seed. */
  provenance: Record<string, string>;
  runs: RunCurves[];
  matrices: MaskMatrix[];
  channels: LayerChannels[];
  drawing: DrawingCurve[];
  summary: SummaryRow[];
  /** Training FLOPs of EB Train beside those of the dense network, stated above the summary. */
  trainingFlops?: TrainingCost;
  /** Speed of a ticket over that of its dense network. */
  speed?: TicketSpeed;
  /** Totals of each phase by path, and sentences on the counters. */
  energy?: { phases: EnergyTotals; sources: string[] } | null;
  /** Paths of tickets, checkpoints and tables of the run, relative to its folder and with slashes. */
  files?: string[];
  /** Distance at or under which a ticket emerges. Default 0.1. */
  threshold?: number;
}
