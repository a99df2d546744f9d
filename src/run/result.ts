/** Results of finished runs. */
import type { MultiplyAdds } from '../network/bit-operations';
import type { Costs } from '../network/flops';
import type { ArithmeticCosts, AverageMetrics, EpochMetrics } from './metrics';
import { ratioKey } from './names';

/** Contents of result.json of a search or a retraining. */
export interface RunResult extends Costs {
  command: 'search' | 'retrain';
  directory: string;
  /** Number of completed epochs. */
  completed: number;
  /** Exact test top-1 of the last epoch, percent; null where no epoch was run. */
  top1Last: number | null;
  /** Exact test top-1 of the best epoch, chosen on the test set, percent; null where no epoch was run. */
  top1Best: number | null;
  /** Best value of the reference: unweighted mean over batches, percent, two decimals. */
  bestPrec1: number;
  /**
   * Test of the mean of the weights (--swa) after the last epoch, in full precision, and its file; null where there is
   * none.
   */
  swa: (AverageMetrics & { file: string }) | null;
  /** Tickets by ratio in percent, for example "30": the checkpoint, and its number of completed epochs. */
  tickets: Record<string, { file: string; completed: number }>;
  /** Multiply-adds of a forward pass of one image. Absent in results of earlier versions. */
  multiplyAdds?: MultiplyAdds;
  /** Arithmetic of the training; null or absent where an epoch was not counted. */
  arithmetic?: ArithmeticCosts | null;
  /** Seconds of training and evaluation. */
  seconds: number;
  /**
   * Joules of passes and detection of all epochs; null where an epoch was not metered. Absent in results of earlier
   * versions.
   */
  joules?: number | null;
  /** Method by which the joules were obtained, for example "estimated from the given watts". */
  joulesBy?: string | null;
}

/** Return value of `search`, `retrain` and `ebTrain`. */
export interface FinishedRun<R = RunResult> {
  result: R;
  /** True where the folder already held the finished run, so that nothing was computed. */
  reused: boolean;
}

/** A row of the summary table of a report. */
export interface SummaryRow {
  label: string;
  /** Exact test top-1 of the last epoch, percent. */
  top1Last: number;
  /** Exact test top-1 of the best epoch, chosen on the test set as in the reference, percent. */
  top1Best: number;
  /** Top-1 of the mean of the weights (--swa), in full precision, after the last epoch. */
  top1Swa?: number | null;
  parameters: number;
  /** Forward FLOPs of one image by the reference's rule. */
  flops: number;
  /** Wall seconds spent in training and evaluation. */
  seconds: number;
  joules: number | null;
  /** Arithmetic of the same epochs as the seconds; null or absent where an epoch was not counted. */
  arithmetic?: ArithmeticCosts | null;
  /** True where only a part of its epochs was trained, so that time and energy cannot be compared. */
  stopped?: boolean;
  /** Method by which the joules were obtained, printed under the table: "measured: ...", "estimated from ...". */
  joulesBy?: string | null;
}

/** The ticket of a search at a ratio; undefined where none emerged. */
export const ticketAt = ({ tickets }: RunResult, ratio: number) => tickets[ratioKey(ratio)];

export function summaryRow(
  label: string,
  result: RunResult,
  {
    seconds,
    joules = null,
    joulesBy = null,
    arithmetic = null,
  }: Pick<RunResult, 'seconds' | 'joules' | 'joulesBy' | 'arithmetic'> = result,
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
    arithmetic,
  };
}

export function secondsOf(metrics: readonly EpochMetrics[]): number {
  return metrics.reduce((sum, { seconds, swa }) => sum + seconds.train + seconds.evaluate + (swa?.seconds ?? 0), 0);
}
