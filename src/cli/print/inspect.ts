/** The result of `inspect` as text, for people. */
import type { InspectReport } from '../../checkpoint/inspect';

export function inspectText(report: InspectReport): string {
  const { file, format, bytes, values, tensors } = report;
  const lines = [`${printable(file)}: ${format}, ${bytes.toLocaleString('en')} bytes, ${tensors.length} tensors`];
  for (const name of ['epoch', 'best', 'cfg'] as const) {
    const value = report[name];
    if (value !== null) lines.push(`${name}: ${Array.isArray(value) ? value.join(' ') : value}`);
  }
  const others = values.filter(
    ({ key }) => !(key === 'epoch' || key === 'best_prec1' || (key === 'cfg' && report.cfg)),
  );
  if (others.length > 0) lines.push('', ...columns(others.map(({ key, value }) => [key, String(value)])));
  if (tensors.length > 0)
    lines.push('', ...columns(tensors.map(({ key, dtype, shape }) => [key, dtype, `(${shape.join(', ')})`])));
  return lines.join('\n');
}

function columns(rows: string[][]): string[] {
  const clean = rows.map((row) => row.map(printable));
  const widths = clean[0]!.map((_, c) => clean.reduce((most, row) => Math.max(most, row[c]!.length), 0));
  return clean.map((row) => row.map((cell, c) => (c === row.length - 1 ? cell : cell.padEnd(widths[c]!))).join('  '));
}

/** Makes text from a file harmless and short, as it could hold terminal escapes or be endless. */
function printable(text: string): string {
  const safe = text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return safe.length > 200 ? `${safe.slice(0, 200)}...` : safe;
}
