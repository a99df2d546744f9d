import type { AverageMetrics, EpochMetrics } from './metrics';

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

export function summaryRow(
  label: string,
  result: RunResult,
  { seconds, joules = null, joulesBy = null }: Pick<RunResult, 'seconds' | 'joules' | 'joulesBy'> = result,
): SummaryRow {
  const { top1Last, top1Best, swa, parameters, flops } = result;
  return {
    label,
    top1Last: top1Last ?? Number.NaN,
    top1Best: top1Best ?? Number.NaN,
    top1Swa: swa?.top1 ?? null,
    parameters,
    flops,
    seconds,
    joules,
    joulesBy,
  };
}

export interface RunResult {
  command: 'search' | 'retrain';
  directory: string;
  completed: number;
  /** Exact test top-1 of the last and of the best epoch (chosen on the test set), percent; null where no epoch was run. */
  top1Last: number | null;
  top1Best: number | null;
  /** The reference's best value: unweighted mean over batches, two decimals. */
  bestPrec1: number;
  /** The mean of the weights (--swa) after the last epoch, tested in full precision, and its file; null where there is none. */
  swa: (AverageMetrics & { file: string }) | null;
  /** Checkpoint of each ticket, by percent, and the epochs it has completed. */
  tickets: Record<string, { file: string; completed: number }>;
  parameters: number;
  parametersWithIndexes: number;
  /** Forward FLOPs of one image. */
  flops: number;
  /** Seconds of training and evaluation. */
  seconds: number;
  /** Of the passes and the detection of all epochs; null where one of them was not metered. Absent in results of earlier versions. */
  joules?: number | null;
  /** How they were come by, for example "estimated from the given watts". */
  joulesBy?: string | null;
}

export interface FinishedRun {
  result: RunResult;
  /** True where the folder already held the finished run, so that nothing was computed. */
  reused: boolean;
}

export function secondsOf(metrics: readonly EpochMetrics[]): number {
  return metrics.reduce((sum, { seconds, swa }) => sum + seconds.train + seconds.evaluate + (swa?.seconds ?? 0), 0);
}
