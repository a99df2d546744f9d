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

/** A line of metrics.jsonl with one column for each number, named as in docs/runs.md. */
export function metricsRow(line: EpochMetrics): Row {
  const { epoch, completed, lr, train, test, swa, seconds, imagesPerSecond, bad, joules, distances, signals, emerged } =
    line;
  const { bits, gbitops } = line.arithmetic ?? {};
  const largest = Object.entries(distances).map(([percent, values]) => [percent, values && Math.max(0, ...values)]);
  return {
    epoch,
    completed,
    lr,
    ...flat({ train, test, swa, seconds }),
    imagesPerSecond,
    bad: bad ?? null,
    joules,
    ...(gbitops === undefined ? {} : { gbitops, ...flat({ bits }) }),
    ...flat({ distance: Object.fromEntries(largest), signal: signals, emerged }),
  };
}

/** Flattens {train: {loss}} to {"train.loss"}. */
function flat(groups: Record<string, object | undefined>): Row {
  const cells = Object.entries(groups).flatMap(([group, values]) =>
    Object.entries(values ?? {}).map(([name, value]) => [`${group}.${name}`, value as number | null] as const),
  );
  return Object.fromEntries(cells);
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
