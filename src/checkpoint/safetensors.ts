/**
 * safetensors: u64 header length, JSON { name: { dtype, shape, data_offsets: [start, end] }, "__metadata__": { text: text } },
 * then the raw little-endian data, without gaps or overlaps.
 */
import { type WriteOptions, writeFileAtomic } from '../atomic';
import { EarlybirdError } from '../errors';
import { DTYPE_BYTES, type Dtype, type StateDict, type TensorData } from '../tensor';
import { readWholeFile } from './read-file';
import { Budget, namingFile, refuse } from './refuse';
import { elementCount, isTensor, isWellFormed, UnreadTensor } from './value';

/** A safetensors file in memory. */
export interface Safetensors {
  /** Tensors in the order of the header. */
  tensors: StateDict;
  /** Tensors of element types that are not read. */
  unread: Map<string, UnreadTensor>;
  metadata: Map<string, string>;
}

/** The content of a file, with all tensors in the order of the header. */
interface Parsed {
  entries: Map<string, TensorData | UnreadTensor>;
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
/**
 * Types whose values are not read: PyTorch's name, and bits of an element. Unlike in PyTorch, a shape counts single
 * elements of 4 and 6 bits.
 */
const OTHERS: Readonly<Record<string, readonly [dtype: string, bits: number]>> = {
  U16: ['uint16', 16],
  U32: ['uint32', 32],
  U64: ['uint64', 64],
  C64: ['complex64', 64],
  F8_E4M3: ['float8_e4m3fn', 8],
  F8_E4M3FNUZ: ['float8_e4m3fnuz', 8],
  F8_E5M2: ['float8_e5m2', 8],
  F8_E5M2FNUZ: ['float8_e5m2fnuz', 8],
  F8_E8M0: ['float8_e8m0fnu', 8],
  F6_E2M3: ['float6_e2m3fn', 6],
  F6_E3M2: ['float6_e3m2fn', 6],
  F4: ['float4_e2m1fn', 4],
};

/** Limit of the format's own implementation. */
const MAX_HEADER = 100_000_000;
/** Heap bytes that one byte of JSON can cost at worst: `[],` makes an array. */
const JSON_HEAP_FACTOR = 16;

/** Reads a safetensors file. Throws ERR_FILE, or ERR_CHECKPOINT on a damaged file. */
export async function readSafetensors(file: string): Promise<Safetensors> {
  const bytes = await readWholeFile(file);
  const { entries, metadata } = namingFile(file, () => parseSafetensors(bytes, new Budget(bytes.length)));
  const [tensors, unread]: [StateDict, Map<string, UnreadTensor>] = [new Map(), new Map()];
  for (const [key, tensor] of entries)
    if (isTensor(tensor)) tensors.set(key, tensor);
    else unread.set(key, tensor);
  return { tensors, unread, metadata };
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

/** Reads a file in memory. Throws ERR_CHECKPOINT, whose message is a clause. Tensors are views into `bytes`. */
export function parseSafetensors(bytes: Uint8Array, budget: Budget): Parsed {
  if (!looksLikeSafetensors(bytes)) refuse('it is not a safetensors file');
  const length = headerLength(bytes);
  if (length > MAX_HEADER) refuse('its header is larger than 100 MB');
  budget.earn(JSON_HEAP_FACTOR * length);
  budget.node(JSON_HEAP_FACTOR * length);
  const header = parseHeader(bytes.subarray(8, 8 + length));
  const data = bytes.subarray(8 + length);

  const entries: Parsed['entries'] = new Map();
  const ranges: [number, number][] = [];
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const { name, shape, start, end } = parseEntry(key, entry);
    if (start > end || end > data.length) refuse(`the tensor ${JSON.stringify(key)} reaches beyond the file`);
    ranges.push([start, end]);
    const tensor = tensorOf(name, shape, data.subarray(start, end));
    entries.set(key, tensor ?? refuse(`the tensor ${JSON.stringify(key)} has another size than its shape says`));
  }
  checkNoGaps(ranges, data.length);
  return { entries, metadata: parseMetadata(header.__metadata__) };
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

/**
 * The tensor of an entry; undefined where the number of bytes differs from that of type and shape. For unknown types it
 * is not checked.
 */
function tensorOf(name: string, shape: number[], data: Uint8Array): TensorData | UnreadTensor | undefined {
  const dtype = DTYPES.get(name);
  const [other, bits] = Object.hasOwn(OTHERS, name) ? OTHERS[name]! : [name, undefined];
  const wanted = dtype ? DTYPE_BYTES[dtype] * 8 : bits;
  if (wanted !== undefined && data.length * 8 !== elementCount(shape) * wanted) return undefined;
  if (dtype) return { dtype, shape, data };
  return Object.assign(new UnreadTensor(other, shape, `is of ${other}, which is not read`), { bytes: data.length });
}

function parseEntry(key: string, entry: unknown): { name: string; shape: number[]; start: number; end: number } {
  if (!isObject(entry)) refuse(`the tensor ${JSON.stringify(key)} is not described`);
  const { dtype: name, shape, data_offsets: offsets } = entry;
  if (typeof name !== 'string' || !/^\w{1,40}$/.test(name)) refuse(`the tensor ${JSON.stringify(key)} has no dtype`);
  if (!Array.isArray(shape) || shape.length > 64 || Number.isNaN(elementCount(shape)))
    refuse(`the tensor ${JSON.stringify(key)} has an impossible shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((at) => Number.isSafeInteger(at) && at >= 0))
    refuse(`the tensor ${JSON.stringify(key)} has impossible offsets`);
  return { name, shape, start: offsets[0], end: offsets[1] };
}

/**
 * Refuses gaps and overlaps. This also catches a key that occurs twice: JSON keeps the last, and the bytes of the first
 * are then a gap.
 */
function checkNoGaps(ranges: [number, number][], length: number): void {
  ranges.sort(([a, b], [c, d]) => a - c || b - d);
  let at = 0;
  for (const [start, end] of ranges) {
    if (start !== at) refuse('its tensors overlap or leave gaps');
    at = end;
  }
  if (at !== length) refuse('its tensors do not fill the file');
}

/** The metadata as text; some writers put null where there is none. */
function parseMetadata(given: unknown): Map<string, string> {
  const metadata = given ?? {};
  if (!isObject(metadata)) refuse('its metadata is not a JSON object');
  for (const value of Object.values(metadata)) if (typeof value !== 'string') refuse('its metadata is not all text');
  return new Map(Object.entries(metadata) as [string, string][]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function* safetensorsChunks(tensors: StateDict, metadata: Map<string, string>): Generator<Uint8Array> {
  // Writing the widest elements first keeps all data aligned; the header keeps the order of the keys.
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
  // The JSON is built by hand, as objects would move keys like "7" to the front.
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
