/** The summary: dense network beside ticket, with ratios to the first row. */
import type { SummaryRow } from '../run/result';
import type { TrainingCost } from '../train/training-cost';
import {
  escapeHtml,
  formatBitOps,
  formatFlops,
  formatJoules,
  formatParameters,
  formatPercent,
  formatRatio,
  formatSeconds,
} from './format';

interface TableOptions {
  synthetic?: boolean;
}

interface Column {
  title: string;
  cell: (row: SummaryRow) => string;
  /** Value whose ratio to the first row is shown. */
  ratio?: (row: SummaryRow) => number | null;
  /** True for a cost of the whole training, which is not compared with a run that was stopped. */
  ofTraining?: boolean;
  /** Value of a column that is left out where no row has one. */
  optional?: (row: SummaryRow) => number | null | undefined;
}

const COLUMNS: Column[] = [
  { title: 'run', cell: (row) => row.label },
  { title: 'last top-1', cell: (row) => formatPercent(row.top1Last) },
  { title: 'best top-1', cell: (row) => formatPercent(row.top1Best) },
  { title: 'SWA top-1', cell: (row) => formatPercent(row.top1Swa), optional: (row) => row.top1Swa },
  { title: 'parameters', cell: (row) => formatParameters(row.parameters), ratio: (row) => row.parameters },
  { title: 'FLOPs', cell: (row) => formatFlops(row.flops), ratio: (row) => row.flops },
  {
    title: 'bit ops',
    cell: (row) => formatBitOps(row.arithmetic?.gbitops),
    ratio: (row) => row.arithmetic?.gbitops ?? null,
    ofTraining: true,
    optional: (row) => row.arithmetic?.gbitops,
  },
  { title: 'time', cell: (row) => formatSeconds(row.seconds), ratio: (row) => row.seconds, ofTraining: true },
  {
    title: 'energy',
    cell: (row) => formatJoules(row.joules),
    ratio: (row) => row.joules,
    ofTraining: true,
    optional: (row) => row.joules,
  },
];

/** Notes under the table; the warning of synthetic data comes first. */
function tableNotes(rows: readonly SummaryRow[], options: TableOptions): string[] {
  const modelled = rows.flatMap(({ label, arithmetic }) =>
    arithmetic ? [`${label}: ${formatJoules(arithmetic.modelledJoules)}`] : [],
  );
  const methods = new Set(rows.flatMap(({ joules, joulesBy }) => (joules !== null && joulesBy ? joulesBy : [])));
  return [
    ...(options.synthetic ? ['Synthetic dataset: these numbers say nothing about accuracy on real images.'] : []),
    'Best top-1 is that of the epoch chosen on the test set. FLOPs: forward pass of one image. (0.50x): half of the first row.',
    ...(modelled.length > 0
      ? ['Bit ops: of training, multiply-adds times the bits of both operands.', `${MODELLED}: ${modelled.join('; ')}.`]
      : []),
    ...[...methods].map((method) => `Energy ${method}.`),
  ];
}

/** Label beside each figure of the table of modelled-energy.ts. */
export const MODELLED = 'Energy of the multiply-adds alone, modelled by a table of 45 nm and not measured';

/** The paper's claim for a run in one sentence, with a second one in bit operations. */
export function trainingHeadline({ ebTrain, dense, ratio, epochs, arithmetic }: TrainingCost): string {
  const flops = `EB Train took ${ratio.toFixed(2)}x the training FLOPs of the dense network: ${formatFlops(ebTrain)} for search and retraining, ${formatFlops(dense)} for all ${epochs} epochs of the dense one.`;
  if (!arithmetic) return flops;
  const { search, retrain, dense: full } = arithmetic;
  const share = ((search.gbitops + retrain.gbitops) / full.gbitops).toFixed(3);
  return `${flops} In bit operations, ${share}x of the dense network in full precision: ${formatBitOps(search.gbitops)} for the search, ${formatBitOps(retrain.gbitops)} for the retraining.`;
}

export function summaryTable(rows: SummaryRow[], options: TableOptions = {}): string {
  const [head, ...body] = cells(rows);
  if (body.length === 0) return 'No run has finished yet.';
  const lines = aligned([head!, ...body]);
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)));
  return [lines[0], rule, ...lines.slice(1), '', ...tableNotes(rows, options)].join('\n');
}

export function htmlTable(rows: SummaryRow[], options: TableOptions = {}): string {
  if (rows.length === 0) return '<p>No run has finished yet.</p>';
  const [head, ...body] = cells(rows).map((row) => row.map(escapeHtml));
  return [
    '<div class="wide"><table class="summary">',
    `<thead><tr>${head!.map((text) => `<th scope="col">${text}</th>`).join('')}</tr></thead>`,
    '<tbody>',
    ...body.map(([label, ...values]) => {
      const data = values.map((value) => `<td>${value}</td>`).join('');
      return `<tr><th scope="row">${label}</th>${data}</tr>`;
    }),
    '</tbody></table></div>',
    ...tableNotes(rows, options).map((note, i) => {
      const warning = options.synthetic && i === 0;
      return `<p class="${warning ? 'note synthetic' : 'note'}">${escapeHtml(note)}</p>`;
    }),
  ].join('\n');
}

/** Head and rows as text. A column that no row has a value for is left out. */
function cells(rows: SummaryRow[]): string[][] {
  const shown = COLUMNS.filter(({ optional }) => !optional || rows.some((row) => optional(row) != null));
  return [
    shown.map((column) => column.title),
    ...rows.map((row, i) =>
      shown.map(({ cell, ratio, ofTraining }) => {
        const compared =
          i > 0 && ratio && !(ofTraining && rows[0]!.stopped) ? formatRatio(ratio(row), ratio(rows[0]!)) : '';
        return compared ? `${cell(row)} (${compared})` : cell(row);
      }),
    ),
  ];
}

/** Aligns the first column left and numbers right; a ratio follows its number so that the numbers line up. */
function aligned(table: string[][]): string[] {
  const split = table.map((row) => row.map((text) => / \([\d.]+x\)$/.exec(text)?.[0] ?? ''));
  const columns = table[0]!.map((_, column) => {
    const tail = column === 0 ? 0 : Math.max(...split.map((row) => row[column]!.length));
    const padded = table.map(
      (row, i) => row[column]! + ' '.repeat(i === 0 || column === 0 ? 0 : tail - split[i]![column]!.length),
    );
    const width = Math.max(...padded.map((text) => text.length));
    return padded.map((text) => (column === 0 ? text.padEnd(width) : text.padStart(width)));
  });
  return table.map((_, row) =>
    columns
      .map((column) => column[row])
      .join('  ')
      .trimEnd(),
  );
}
