/** record.txt, byte for byte as the reference writes it. */
import type { EpochMetrics } from '../report/input';

/** Two decimals, as the reference rounds accuracies before it compares or writes them. */
export function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

const cell = (value: number) => value.toFixed(5).padStart(10);

/** One row of record.txt: mean of batch losses, train and test top-1 as unweighted means over batches, rounded. */
export function recordRow(metrics: EpochMetrics): [number, number, number] {
  return [metrics.train.lossBatchMean, round2(metrics.train.top1BatchMean), round2(metrics.test.top1BatchMean)];
}

/**
 * `epochs` rows of three columns in the format %10.5f, zeros for epochs not run. With `best` (once training has ended)
 * the first column of the last row is overwritten by it: a quirk of the reference that its readers rely on.
 */
export function recordText(epochs: number, metrics: readonly EpochMetrics[], best?: number): string {
  const rows = Array.from({ length: epochs }, () => [0, 0, 0]);
  for (const line of metrics) if (line.epoch < epochs) rows[line.epoch] = recordRow(line);
  if (best !== undefined) rows[epochs - 1]![0] = best;
  return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}

/** Best test top-1 by the reference's value. */
export function recordBest(metrics: readonly EpochMetrics[]): number {
  return Math.max(0, ...metrics.map((line) => recordRow(line)[2]));
}
