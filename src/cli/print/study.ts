/** Results of `study` and its plan as text, for people. */
import { formatBitOps, formatDuration, formatFlops, MISSING } from '../../report/format';
import { plainText } from '../../report/plain-table';
import type { StudyPlan } from '../../study/estimate';
import type { StudyResult } from '../../study/summary';
import { studyText } from '../../study/tables';

export function studyResultText(result: StudyResult | StudyPlan | { only: string }): string {
  if ('only' in result) return `${result.only}: done`;
  return 'dryRun' in result ? planText(result) : `${studyText(result)}\n\n${result.files.join('\n')}`;
}

function planText(plan: StudyPlan): string {
  const { network, dataset, epochs, formats, seeds, images, rows, left, all, notes } = plan;
  const low = formats === null ? '' : `; ${formats}`;
  const title = `${network} on ${dataset}, ${epochs} epochs of ${images ?? 'an unknown number of'} images, seeds ${seeds.join(', ')}${low}: nothing was run`;
  const inFormats = (text: string) => (formats === null ? [] : [text]);
  const table = plainText({
    title,
    head: ['runs', 'p', 'of which', 'number', 'finished', 'FLOPs of dense', 'FLOPs', ...inFormats('bit ops'), 'left'],
    names: 3,
    rows: rows.map((row) => [
      row.what,
      row.ratio === null ? MISSING : String(row.ratio),
      row.names.join(', '),
      String(row.runs),
      String(row.finished),
      row.share === null ? MISSING : `${row.share.toFixed(2)}x`,
      formatFlops(row.flops),
      ...inFormats(formatBitOps(row.gbitops)),
      formatDuration(row.leftSeconds),
    ]),
  });
  const total = `${all.runs} runs, ${formatFlops(all.flops)}FLOPs${inFormats(`, ${formatBitOps(all.gbitops)} bit operations`).join('')}; ${left.runs} left, ${formatFlops(left.flops)}FLOPs, ${left.seconds === null ? 'time unknown' : `about ${formatDuration(left.seconds)} one after another`}.`;
  return [table, '', total, ...notes].join('\n');
}
