/** The numbers behind each figure as rows of a table, for CSV. */
import type { EpochMetrics } from '../run/metrics';
import { distancePanels } from './figures/distances';
import type { ReportInput, RunCurves } from './input';

/** A row, with values by the names of their columns. */
export type Row = Record<string, string | number | null>;

/** A table as CSV with a header (RFC 4180); the columns are those of all rows. */
export async function csvOf(rows: readonly Row[]): Promise<string> {
  const { stringify } = await import('csv-stringify/sync');
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return stringify([...rows], { header: true, columns });
}

/**
 * A line of metrics.jsonl (docs/runs.md) flattened as pandas' json_normalize does: {train: {loss}} is "train.loss". The
 * lists of `distances` become their largest value, "distance.30".
 */
export function metricsRow({ distances, ...line }: EpochMetrics): Row {
  const largest = Object.entries(distances).map(([percent, values]) => [percent, values && Math.max(0, ...values)]);
  return Object.fromEntries(cellsOf({ ...line, distance: Object.fromEntries(largest) }, ''));
}

function cellsOf(values: object, prefix: string): [name: string, value: Row[string]][] {
  return Object.entries(values).flatMap(([name, value]): [string, Row[string]][] => {
    if (value !== null && typeof value === 'object') return cellsOf(value, `${prefix}${name}.`);
    return value === undefined ? [] : [[`${prefix}${name}`, value]];
  });
}

export const curveRows = (runs: readonly RunCurves[]): Row[] =>
  runs.flatMap(({ name, metrics }) => metrics.map((line) => ({ run: name, ...metricsRow(line) })));

export const distanceRows = ({ matrices }: ReportInput): Row[] =>
  distancePanels(matrices).flatMap(({ network, ratio, points }) =>
    points.map(({ epoch, low, high }) => ({ network, ratio, epoch, smallest: low, largest: high })),
  );

/** Rows for every pair of masks, including the initial one after 0 epochs. */
export const matrixRows = ({ matrices }: ReportInput): Row[] =>
  matrices.flatMap(({ network, ratio, epochs, overlap }) =>
    epochs.flatMap((epoch, i) =>
      epochs
        .slice(0, i)
        .map((older, j) => ({ network, ratio, epoch, older, distance: 1 - overlap[i * epochs.length + j]! })),
    ),
  );

export const channelRows = ({ channels }: ReportInput): Row[] =>
  channels.flatMap(({ name, ratio, layers }) => layers.map((layer) => ({ ticket: name, ratio, ...layer })));

export const drawingRows = ({ drawing }: ReportInput): Row[] =>
  drawing.flatMap(({ name, ratio, points, dense }) => points.map((point) => ({ name, ratio, ...point, dense })));
