/**
 * safetensors: u64 header length, JSON { name: { dtype, shape, data_offsets: [start, end] }, "__metadata__": { text: text } },
 * then the raw little-endian data, without gaps or overlaps.
 */
import { type WriteOptions, writeFileAtomic } from '../atomic';
import { EarlybirdError } from '../errors';
import { DTYPE_BYTES, type Dtype, type StateDict, type TensorData } from '../tensor';
import { readWholeFile } from './read-file';
import { Budget, namingFile, refuse } from './refuse';
import { elementCount, isWellFormed } from './value';

/** A safetensors file in memory. */
export interface Safetensors {
  /** In the order of the header. */
  tensors: StateDict;
  metadata: Map<string, string>;
}

const NAMES: Record<Dtype, string> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
const DTYPES = new Map(Object.entries(NAMES).map(([dtype, name]) => [name, dtype as Dtype]));

/** Limit of the format's own implementation. */
const MAX_HEADER = 100_000_000;
/** Heap bytes that one byte of JSON can cost at worst: `[],` makes an array. */
const JSON_HEAP_FACTOR = 16;

/** Reads a safetensors file. Throws ERR_FILE, or ERR_CHECKPOINT on a damaged file. */
export async function readSafetensors(file: string): Promise<Safetensors> {
  const bytes = await readWholeFile(file);
  return namingFile(file, () => parseSafetensors(bytes, new Budget(bytes.length)));
}

/** Writes a safetensors file, keys in order. Throws ERR_FILE, or ERR_CHECKPOINT for a tensor whose data does not fill its shape. */
export async function writeSafetensors(
  file: string,
  tensors: StateDict,
  metadata: Iterable<[string, string]> = [],
  options: WriteOptions = {},
): Promise<void> {
  await writeFileAtomic(file, safetensorsChunks(tensors, new Map(metadata)), options);
}

export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return false;
  return headerLength(bytes) <= bytes.length - 8;
}

function headerLength(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
}

/** Throws ERR_CHECKPOINT whose message is a clause. Tensors are views into `bytes`. */
export function parseSafetensors(bytes: Uint8Array, budget: Budget): Safetensors {
  if (!looksLikeSafetensors(bytes)) refuse('it is not a safetensors file');
  const length = headerLength(bytes);
  if (length > MAX_HEADER) refuse('its header is larger than 100 MB');
  budget.node(JSON_HEAP_FACTOR * length);
  const header = parseHeader(bytes.subarray(8, 8 + length));
  const data = bytes.subarray(8 + length);

  const tensors: StateDict = new Map();
  const ranges: [number, number][] = [];
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const { dtype, shape, start, end } = parseEntry(key, entry);
    if (start > end || end > data.length) refuse(`the tensor ${JSON.stringify(key)} reaches beyond the file`);
    if (end - start !== elementCount(shape) * DTYPE_BYTES[dtype])
      refuse(`the tensor ${JSON.stringify(key)} has another size than its shape says`);
    ranges.push([start, end]);
    tensors.set(key, { dtype, shape, data: data.subarray(start, end) });
  }
  checkNoGaps(ranges, data.length);
  return { tensors, metadata: parseMetadata(header.__metadata__) };
}

function parseHeader(json: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    refuse('its header is not valid JSON');
  }
  if (!isObject(header)) refuse('its header is not a JSON object');
  return header;
}

function parseEntry(key: string, entry: unknown): { dtype: Dtype; shape: number[]; start: number; end: number } {
  if (!isObject(entry)) refuse(`the tensor ${JSON.stringify(key)} is not described`);
  const { dtype: name, shape, data_offsets: offsets } = entry;
  const dtype = typeof name === 'string' ? DTYPES.get(name) : undefined;
  if (dtype === undefined) refuse(`the tensor ${JSON.stringify(key)} has a dtype that is not supported`);
  if (!Array.isArray(shape) || shape.length > 64 || Number.isNaN(elementCount(shape)))
    refuse(`the tensor ${JSON.stringify(key)} has an impossible shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((at) => Number.isSafeInteger(at) && at >= 0))
    refuse(`the tensor ${JSON.stringify(key)} has impossible offsets`);
  return { dtype, shape, start: offsets[0], end: offsets[1] };
}

/** Also catches a key that stands twice: JSON keeps the last, and the first one's bytes are then a gap. */
function checkNoGaps(ranges: [number, number][], length: number): void {
  ranges.sort(([a, b], [c, d]) => a - c || b - d);
  let at = 0;
  for (const [start, end] of ranges) {
    if (start !== at) refuse('its tensors overlap or leave gaps');
    at = end;
  }
  if (at !== length) refuse('its tensors do not fill the file');
}

function parseMetadata(metadata: unknown = {}): Map<string, string> {
  if (!isObject(metadata)) refuse('its metadata is not a JSON object');
  for (const value of Object.values(metadata)) if (typeof value !== 'string') refuse('its metadata is not all text');
  return new Map(Object.entries(metadata) as [string, string][]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function* safetensorsChunks(tensors: StateDict, metadata: Map<string, string>): Generator<Uint8Array> {
  // The widest elements first keeps all data aligned; the header keeps the order of the keys.
  const bySize = [...tensors].sort(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const starts = new Map<string, number>();
  let at = 0;
  for (const [key, tensor] of bySize) {
    if (!isWellFormed(tensor) || key === '__metadata__')
      throw new EarlybirdError(
        'ERR_CHECKPOINT',
        `the tensor ${JSON.stringify(key)} cannot be written; check its name, dtype and shape`,
      );
    starts.set(key, at);
    at += tensor.data.byteLength;
  }
  // By hand, as objects would move keys like "7" to the front.
  const fields = [...tensors].map(([key, tensor]) => `${JSON.stringify(key)}:${headerEntry(tensor, starts.get(key)!)}`);
  if (metadata.size > 0) fields.unshift(`"__metadata__":${JSON.stringify(Object.fromEntries(metadata))}`);
  const json = Buffer.from(`{${fields.join(',')}}`);
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  yield length;
  yield padded;
  for (const [, { data }] of bySize) yield data;
}

function headerEntry({ dtype, shape, data }: TensorData, start: number): string {
  return JSON.stringify({ dtype: NAMES[dtype], shape, data_offsets: [start, start + data.byteLength] });
}
