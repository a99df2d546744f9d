/** Writes record.txt, byte for byte as the reference does. */
import type { EpochMetrics } from './metrics';

/**
 * Rounds to two decimals, as the reference does with accuracies before it compares or writes them: NumPy's way, which
 * takes halves to the even neighbour.
 */
export function round2(value: number): number {
  const [hundredths, up] = [value * 100, Math.round(value * 100)];
  return (up - hundredths === 0.5 && up % 2 !== 0 ? up - 1 : up) / 100;
}

/** Formats one cell; a loss that is no number is null in JSON. */
const cell = (value: number | null) => (value ?? Number.NaN).toFixed(5).padStart(10);

/** One row of record.txt: mean of batch losses, train and test top-1 as unweighted means over batches, rounded. */
function recordRow(metrics: EpochMetrics): [number, number, number] {
  return [metrics.train.lossBatchMean, round2(metrics.train.top1BatchMean), round2(metrics.test.top1BatchMean)];
}

export interface RecordOptions {
  /**
   * Best top-1, once training has ended. It overwrites the first column of the last row, a quirk of the reference that
   * its readers rely on.
   */
  best?: number;
  /**
   * True for a fourth column as in the low-precision scripts: top-1 of the weight average, which after training
   * overwrites the second column too.
   */
  swa?: boolean;
}

/**
 * Text of `epochs` rows of columns in the format %10.5f, with zeros for epochs not run and for an average that has not
 * begun.
 */
export function recordText(
  epochs: number,
  metrics: readonly EpochMetrics[],
  { best, swa = false }: RecordOptions = {},
): string {
  const average = (line: EpochMetrics) => (line.swa ? round2(line.swa.top1BatchMean) : 0);
  const rows = Array.from({ length: epochs }, () => (swa ? [0, 0, 0, 0] : [0, 0, 0]));
  for (const line of metrics) {
    if (line.epoch < epochs) rows[line.epoch] = [...recordRow(line), ...(swa ? [average(line)] : [])];
  }
  const last = metrics.at(-1);
  if (best !== undefined) {
    rows[epochs - 1]![0] = best;
    if (swa && last?.swa) rows[epochs - 1]![1] = average(last);
  }
  return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}

/** Best test top-1 as the reference computes it. */
export function recordBest(metrics: readonly EpochMetrics[]): number {
  return Math.max(0, ...metrics.map((line) => recordRow(line)[2]));
}
