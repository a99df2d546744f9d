/** The content of a checkpoint, safetensors or .npy file. Runs nothing from the file. */
import type { TensorData } from '../tensor';
import { bestOf, cfgOf, epochOf } from './keys';
import { looksLikeNpy, parseNpy } from './npy';
import { weightsAt } from './places';
import type { Format } from './pth';
import { placeOf, readAny } from './read';
import { readWholeFile } from './read-file';
import { isBytes, isDict, isTensor, type Key, Opaque, UnreadTensor, type Value } from './value';

export interface InspectReport {
  file: string;
  format: Format | 'npy';
  /** Total bytes of all its files. */
  bytes: number;
  epoch: number | null;
  best: number | null;
  cfg: (number | 'M')[] | null;
  /** Every entry that is neither a tensor nor a container, by its dotted path. */
  values: { key: string; value: string | number | boolean | null }[];
  tensors: { key: string; dtype: string; shape: number[]; bytes: number }[];
}

/**
 * Describes a file. `key`: shows the weights at this place as the file's state_dict. Throws ERR_FILE, ERR_CHECKPOINT.
 */
export async function inspectFile(file: string, key?: string): Promise<InspectReport> {
  const place = await placeOf(file);
  const first = await readWholeFile(place);
  const report: InspectReport = {
    file,
    format: 'npy',
    bytes: first.length,
    epoch: null,
    best: null,
    cfg: null,
    values: [],
    tensors: [],
  };
  if (looksLikeNpy(first)) {
    report.tensors.push(describeTensor('', parseNpy(first, file)));
    return report;
  }
  const { format, value: whole, bytes } = await readAny(place, first);
  const value = weightsAt(whole, key, file);
  collect(report, '', value);
  return {
    ...report,
    format,
    bytes,
    epoch: epochOf(value) ?? null,
    best: bestOf(value) ?? null,
    cfg: soundCfg(value),
  };
}

/**
 * Channel widths of the file; null also where they make no sense, as this command is meant for looking at such files.
 */
function soundCfg(value: Value): InspectReport['cfg'] {
  try {
    return cfgOf(value) ?? null;
  } catch {
    return null;
  }
}

/** Collects the leaves of a value tree. A list of plain values is one leaf. */
function collect(report: InspectReport, key: string, node: Value): void {
  const below = (name: Key) => (key === '' ? String(name) : `${key}.${name}`);
  if (isTensor(node)) report.tensors.push(describeTensor(key, node));
  else if (node instanceof UnreadTensor) {
    const { dtype, shape, bytes } = node;
    report.tensors.push({ key, dtype, shape, bytes });
  } else if (node instanceof Opaque) report.values.push({ key, value: String(node) });
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
