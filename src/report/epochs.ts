/** Shows every epoch as a row: the values behind the learning curves, folded in the page. */
import { rungText } from '../recipe/ladder';
import type { EpochMetrics } from '../run/metrics';
import { escapeHtml, formatPercent, formatSeconds, MISSING } from './format';
import type { RunCurves } from './input';

interface Column {
  title: string;
  cell: (line: EpochMetrics) => string;
  /** Tells whether a line has the value; a column that no line has is left out. */
  isIn?: (line: EpochMetrics) => boolean;
}

const COLUMNS: Column[] = [
  { title: 'epoch', cell: (line) => String(line.completed) },
  { title: 'lr', cell: (line) => String(Number(line.lr.toPrecision(3))) },
  {
    title: 'forward',
    cell: ({ arithmetic }) => (arithmetic?.forward === undefined ? MISSING : rungText(arithmetic.forward)),
    isIn: ({ arithmetic }) => arithmetic?.forward !== undefined,
  },
  { title: 'train loss', cell: (line) => loss(line.train.loss) },
  { title: 'train top-1', cell: (line) => formatPercent(line.train.top1) },
  { title: 'test loss', cell: (line) => loss(line.test.loss) },
  { title: 'test top-1', cell: (line) => formatPercent(line.test.top1) },
  { title: 'time', cell: (line) => formatSeconds(line.seconds.train + line.seconds.evaluate) },
];

/** The tables as HTML; empty where no epoch is complete. */
export function epochsHtml(runs: RunCurves[]): string {
  const tables = runs.filter(({ metrics }) => metrics.length > 0).map(tableOf);
  return tables.length === 0 ? '' : `<section>\n<h2>Epochs</h2>\n${tables.join('\n')}\n</section>\n`;
}

function tableOf({ name, metrics }: RunCurves): string {
  const columns = COLUMNS.filter(({ isIn }) => !isIn || metrics.some(isIn));
  const head = columns.map(({ title }) => `<th scope="col">${title}</th>`).join('');
  const rows = metrics.map((line) => {
    const [epoch, ...values] = columns.map(({ cell }) => escapeHtml(cell(line)));
    return `<tr><th scope="row">${epoch}</th>${values.map((text) => `<td>${text}</td>`).join('')}</tr>`;
  });
  return `<details>
<summary>${escapeHtml(name)}: ${metrics.length} ${metrics.length === 1 ? 'epoch' : 'epochs'}</summary>
<div class="wide"><table class="summary epochs">
<thead><tr>${head}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>
</details>`;
}

function loss(value: number): string {
  return Number.isFinite(value) ? value.toFixed(4) : MISSING;
}
