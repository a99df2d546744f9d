/** A table of methods (rows) and pruning ratios (columns under each quantity), as in the paper, for terminals, Markdown and LaTeX. */
import { formatSigned, MISSING } from './format';

export interface CostValue {
  mean: number;
  /** Standard deviation; null for a single value. */
  sd: number | null;
  /** Gain printed after the value: points for an accuracy, else a factor. */
  gain?: number | null | undefined;
  /** True where the value was not measured. */
  estimated?: boolean;
}

export interface CostBlock {
  title: string;
  kind: 'accuracy' | 'cost' | 'count';
  /** Values by method and ratio, in the order of the table. */
  cells: (CostValue | null)[][];
}

export interface CostTable {
  caption: string;
  methods: string[];
  /** Labels such as "p = 0.3". */
  columns: string[];
  /** Blocks that stand side by side in Markdown and LaTeX. */
  main: CostBlock[];
  /** Blocks beneath them. */
  more: CostBlock[];
  notes: string[];
}

/** Digits after the point: accuracies to a hundredth, everything else to about four digits in all. */
function digitsFor(kind: CostBlock['kind'], mean: number): number {
  if (kind === 'accuracy') return 2;
  if (kind === 'count') return 1;
  return Math.abs(mean) >= 100 ? 1 : Math.abs(mean) >= 10 ? 2 : 3;
}

function cellText(kind: CostBlock['kind'], value: CostValue | null): string {
  if (value === null) return MISSING;
  const { mean, sd, gain, estimated } = value;
  const digits = digitsFor(kind, mean);
  const spread = sd === null ? '' : ` ± ${sd.toFixed(digits)}`;
  return `${estimated ? '~' : ''}${mean.toFixed(digits)}${spread}${gain == null ? '' : ` (${gainText(kind, gain)})`}`;
}

function gainText(kind: CostBlock['kind'], gain: number): string {
  if (kind !== 'accuracy') return `${gain.toFixed(2)}x`;
  return formatSigned(gain);
}

const texts = ({ kind, cells }: CostBlock) => cells.map((row) => row.map((value) => cellText(kind, value)));

/** Formats the blocks one below the other, for narrow terminals. */
export function costText({ caption, methods, columns, main, more, notes }: CostTable): string {
  const blocks = [...main, ...more].map((block) => {
    const table = [[block.title, ...columns], ...texts(block).map((row, i) => [methods[i]!, ...row])];
    const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    const line = (row: string[]) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
    const lines = table.map(line);
    return [lines[0], '-'.repeat(lines[0]!.length), ...lines.slice(1)].join('\n');
  });
  return [caption, ...blocks, notes.join('\n')].join('\n\n');
}

export function costMarkdown(table: CostTable): string {
  const { caption, methods, columns, main, more, notes } = table;
  const wide = (blocks: CostBlock[]) => {
    const head = ['method', ...blocks.flatMap(({ title }) => columns.map((column) => `${title}, ${column}`))];
    const body = methods.map((method, i) => [method, ...blocks.flatMap((block) => texts(block)[i]!)]);
    const line = (row: string[]) => `| ${row.map(escapeMarkdown).join(' | ')} |`;
    return [line(head), `| --- |${' ---: |'.repeat(head.length - 1)}`, ...body.map(line)].join('\n');
  };
  const blocks = [main, ...more.map((block) => [block])].map(wide);
  return `${[caption, ...blocks, notes.map((note) => `- ${escapeMarkdown(note)}`).join('\n')].join('\n\n')}\n`;
}

export const escapeMarkdown = (text: string) => text.replace(/[|\\*_<>~]/g, (character) => `\\${character}`);

/** Tabulars for \usepackage{booktabs}: one for `main`, one for `more`, with the notes as comments above them. */
export function costLatex(table: CostTable): string {
  const { caption, main, more, notes } = table;
  return [
    '% needs \\usepackage{booktabs}',
    ...[caption, ...notes].map((line) => `% ${line.replaceAll('\n', ' ')}`),
    ...[main, more].filter(({ length }) => length > 0).map((blocks) => latexTabular(table, blocks)),
    '',
  ].join('\n');
}

function latexTabular({ methods, columns }: CostTable, blocks: readonly CostBlock[]): string {
  const width = columns.length;
  const groups = blocks.map(({ title }) => `\\multicolumn{${width}}{c}{${escapeLatex(title)}}`);
  const rules = blocks.map((_, i) => `\\cmidrule(lr){${2 + i * width}-${1 + (i + 1) * width}}`);
  const heads = blocks.flatMap(() => columns.map(escapeLatex));
  const rows = methods.map((method, i) =>
    [escapeLatex(method), ...blocks.flatMap((block) => texts(block)[i]!.map(escapeLatex))].join(' & '),
  );
  return [
    `\\begin{tabular}{l${'r'.repeat(width * blocks.length)}}`,
    '\\toprule',
    `Method & ${groups.join(' & ')} \\\\`,
    rules.join(' '),
    ` & ${heads.join(' & ')} \\\\`,
    '\\midrule',
    ...rows.map((row) => `${row} \\\\`),
    '\\bottomrule',
    '\\end{tabular}',
  ].join('\n');
}

const LATEX: Record<string, string> = {
  '\\': '\\textbackslash{}',
  '{': '\\{',
  '}': '\\}',
  '%': '\\%',
  _: '\\_',
  '&': '\\&',
  '#': '\\#',
  $: '\\$',
  '^': '\\textasciicircum{}',
  '~': '$\\sim$',
  '±': '$\\pm$',
  '−': '$-$',
  [MISSING]: '--',
};

/** Escapes text outside of mathematics; "2.35x" gets a multiplication sign. */
export function escapeLatex(text: string): string {
  const sign = /^(.*\(\d+\.\d\d)x\)$/.exec(text);
  if (sign) return `${escapeLatex(sign[1]!)}$\\times$)`;
  return text.replace(/[\\{}%_&#$^~±−–]/g, (character) => LATEX[character]!);
}
