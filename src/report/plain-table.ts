/** A table of text cells for terminals, Markdown and LaTeX. The first columns are names, the others figures. */
import { escapeLatex, escapeMarkdown } from './cost-table';

export interface PlainTable {
  title: string;
  head: string[];
  rows: string[][];
  /** Number of columns on the left that are names. */
  names: number;
}

export function plainText({ title, head, rows, names }: PlainTable): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    row
      .map((cell, i) => (i < names ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  const first = line(head);
  return [title, first, '-'.repeat(first.length), ...rows.map(line)].join('\n');
}

export function plainMarkdown({ title, head, rows, names }: PlainTable): string {
  const line = (row: string[]) => `| ${row.map(escapeMarkdown).join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i < names ? ' --- |' : ' ---: |')).join('')}`;
  return [`### ${title}`, '', line(head), rule, ...rows.map(line)].join('\n');
}

/** The table for LaTeX, which needs \usepackage{booktabs}. */
export function plainLatex({ title, head, rows, names }: PlainTable): string {
  const line = (row: string[]) => `${row.map(escapeLatex).join(' & ')} \\\\`;
  return [
    `% ${title}`,
    `\\begin{tabular}{${head.map((_, i) => (i < names ? 'l' : 'r')).join('')}}`,
    '\\toprule',
    line(head),
    '\\midrule',
    ...rows.map(line),
    '\\bottomrule',
    '\\end{tabular}',
  ].join('\n');
}

/** Formats lines of comma-separated values, quoted where needed (RFC 4180). */
export function csvText(rows: readonly (readonly (string | number | null)[])[]): string {
  const cell = (value: string | number | null) => {
    const text = value === null ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}
