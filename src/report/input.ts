/** The input of the report's figures and pages. */
import type { EnergyTotals, EpochMetrics } from '../run/metrics';
import type { SummaryRow } from '../run/result';

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
