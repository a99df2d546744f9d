/** `earlybird inspect FILE`: what is in a checkpoint, safetensors or .npy file. Works without LibTorch; runs nothing from the file. */
import { bestOf, cfgOf, epochOf } from '../../checkpoint/keys';
import { looksLikeNpy, parseNpy } from '../../checkpoint/npy';
import { parseCheckpoint } from '../../checkpoint/pth';
import { readWholeFile } from '../../checkpoint/read-file';
import { isBytes, isDict, isTensor, type Value } from '../../checkpoint/value';
import type { TensorData } from '../../tensor';
import { defineTool } from '../tool';

export const command = defineTool({
  command: 'inspect <file>',
  describe: 'Print keys, shapes and dtypes of a checkpoint (.pth, .pt, .pth.tar, .safetensors) or .npy file',
  options: (yargs) =>
    yargs.positional('file', { type: 'string', demandOption: true, describe: 'The file to look into' }),
  run: ({ file }) => inspectFile(file),
  print: formatReport,
});

export interface InspectReport {
  file: string;
  format: 'zip' | 'legacy' | 'safetensors' | 'npy';
  bytes: number;
  epoch: number | null;
  best: number | null;
  cfg: (number | 'M')[] | null;
  /** Everything that is no tensor and no container, by its dotted path. */
  values: { key: string; value: string | number | boolean | null }[];
  tensors: { key: string; dtype: string; shape: number[]; bytes: number }[];
}

/** Throws ERR_FILE, ERR_CHECKPOINT. */
export async function inspectFile(file: string): Promise<InspectReport> {
  const bytes = await readWholeFile(file);
  const report: InspectReport = {
    file,
    format: 'npy',
    bytes: bytes.length,
    epoch: null,
    best: null,
    cfg: null,
    values: [],
    tensors: [],
  };
  if (looksLikeNpy(bytes)) {
    report.tensors.push(describeTensor('', parseNpy(bytes, file)));
    return report;
  }
  const { format, value } = parseCheckpoint(bytes, file);
  collect(report, '', value);
  return {
    ...report,
    format,
    epoch: epochOf(value) ?? null,
    best: bestOf(value) ?? null,
    cfg: soundCfg(value),
  };
}

/** Null also where the file's cfg makes no sense: to look at such a file is what this command is for. */
function soundCfg(value: Value): InspectReport['cfg'] {
  try {
    return cfgOf(value) ?? null;
  } catch {
    return null;
  }
}

/** Collects the leaves of a value tree. Lists of plain values are one leaf. */
function collect(report: InspectReport, key: string, node: Value): void {
  const below = (name: string | number) => (key === '' ? String(name) : `${key}.${name}`);
  if (isTensor(node)) report.tensors.push(describeTensor(key, node));
  else if (isDict(node)) for (const [name, member] of node) collect(report, below(name), member);
  else if (isBytes(node)) report.values.push({ key, value: `${node.byteLength} bytes` });
  else if (Array.isArray(node) && node.some((member) => typeof member === 'object' && member !== null))
    for (const [i, member] of node.entries()) collect(report, below(i), member);
  else if (Array.isArray(node)) report.values.push({ key, value: `[${node.map(String).join(', ')}]` });
  else report.values.push({ key, value: typeof node === 'bigint' ? String(node) : node });
}

function describeTensor(key: string, { dtype, shape, data }: TensorData): InspectReport['tensors'][number] {
  return { key, dtype, shape, bytes: data.byteLength };
}

function formatReport(report: InspectReport): string {
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
  return `${lines.join('\n')}\n`;
}

function columns(rows: string[][]): string[] {
  const clean = rows.map((row) => row.map(printable));
  const widths = clean[0]!.map((_, c) => clean.reduce((most, row) => Math.max(most, row[c]!.length), 0));
  return clean.map((row) => row.map((cell, c) => (c === row.length - 1 ? cell : cell.padEnd(widths[c]!))).join('  '));
}

/** Text from a file could hold terminal escapes, or be endless: shown harmless and short. */
function printable(text: string): string {
  const safe = text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return safe.length > 200 ? `${safe.slice(0, 200)}...` : safe;
}
