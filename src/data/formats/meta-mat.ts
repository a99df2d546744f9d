/**
 * Reads the array `synsets` of ImageNet's meta.mat. Format: MATLAB's "MAT-File Format" (Level 5), chapter 1. Only the
 * parts that this file uses are read: arrays of structures, numbers and text, compressed or not.
 */
import { inflateSync } from 'node:zlib';

export interface Synset {
  /** Number in the ground truth: 1, 2, ... */
  id: number;
  wnid: string;
  /** True for a leaf; only leaves are classes of images. */
  leaf: boolean;
}

/** Limit above the official file, which unpacks to 2 MB. */
const MOST_BYTES = 64 << 20;
const MATRIX = 14;
const COMPRESSED = 15;
const STRUCT = 2;
const CHAR = 4;

type Value = string | number | null;
interface Matrix {
  name: string;
  /** Elements of a structure, with a value for each field. */
  rows: Record<string, Value>[];
  value: Value;
}

/** Reads the synsets of meta.mat. Throws plain errors for damage. */
export function readSynsets(bytes: Buffer): Synset[] {
  if (bytes.length < 128 || bytes.toString('latin1', 126, 128) !== 'IM')
    throw new Error('it is not a MATLAB 5 file of a little-endian machine');
  for (const { type, data } of elementsOf(bytes.subarray(128))) {
    const matrix = type === COMPRESSED ? unpacked(data) : type === MATRIX ? matrixOf(data) : null;
    if (matrix?.name === 'synsets') return matrix.rows.map(synsetOf);
  }
  throw new Error('it has no synsets');
}

function synsetOf({ ILSVRC2012_ID: id, WNID: wnid, num_children: children }: Record<string, Value>): Synset {
  if (typeof id !== 'number' || !Number.isInteger(id) || typeof wnid !== 'string' || !/^n\d{8}$/.test(wnid))
    throw new Error('a synset has no number or no WNID');
  return { id, wnid, leaf: !children };
}

function unpacked(data: Buffer): Matrix | null {
  const [element] = elementsOf(inflateSync(data, { maxOutputLength: MOST_BYTES }));
  return element?.type === MATRIX ? matrixOf(element.data) : null;
}

/** Yields elements of a tag (type, bytes) and data; data of up to 4 bytes lies in the tag itself. */
function* elementsOf(bytes: Buffer): Generator<{ type: number; data: Buffer }> {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const tag = bytes.readUInt32LE(at);
    const small = tag > 0xffff;
    const type = tag & 0xffff;
    const length = small ? tag >>> 16 : bytes.readUInt32LE(at + 4);
    const start = at + (small ? 4 : 8);
    if (start + length > bytes.length || (small && length > 4)) throw new Error('an element is cut off');
    yield { type, data: bytes.subarray(start, start + length) };
    // Elements begin at multiples of 8, but compressed ones have no padding.
    at = small ? at + 8 : start + (type === COMPRESSED ? length : Math.ceil(length / 8) * 8);
  }
}

function matrixOf(data: Buffer, depth = 0): Matrix {
  if (depth > 8) throw new Error('its structures lie too deep in each other');
  const elements = elementsOf(data);
  const next = () => elements.next().value?.data ?? Buffer.alloc(0);
  const flags = next();
  const kind = flags[0];
  const dimensions = next();
  const name = next().toString('latin1');
  const matrix: Matrix = { name, rows: [], value: null };
  if (kind === STRUCT) {
    const width = next().readInt32LE(0);
    const names = width > 0 ? fieldNames(next(), width) : [];
    // Without fields, rows would take nothing from the file, and their number is any.
    if (names.length === 0) throw new Error('a structure has no field names');
    let count = 1;
    for (let at = 0; at + 4 <= dimensions.length; at += 4) count *= dimensions.readInt32LE(at);
    for (let i = 0; i < count; i++) matrix.rows.push(rowOf(elements, names, depth));
  } else {
    const { value } = elements.next();
    if (value) matrix.value = kind === CHAR ? textOf(value) : numberOf(value);
  }
  return matrix;
}

function rowOf(
  elements: ReturnType<typeof elementsOf>,
  names: readonly string[],
  depth: number,
): Record<string, Value> {
  const row: Record<string, Value> = {};
  for (const name of names) {
    const { value } = elements.next();
    if (!value) throw new Error('a structure is cut off');
    row[name] = value.data.length > 0 ? matrixOf(value.data, depth + 1).value : null;
  }
  return row;
}

function fieldNames(bytes: Buffer, width: number): string[] {
  return Array.from({ length: Math.floor(bytes.length / width) }, (_, i) =>
    bytes.toString('latin1', i * width, (i + 1) * width).replace(/\0.*$/s, ''),
  );
}

/** Decodes text; types 4 and 17 are UTF-16. */
function textOf({ type, data }: { type: number; data: Buffer }): string {
  return data.toString(type === 4 || type === 17 ? 'utf16le' : 'utf8');
}

/** Reads the first number of an array in its stored type. */
function numberOf({ type, data }: { type: number; data: Buffer }): number | null {
  const readers: Record<number, [bytes: number, read: () => number]> = {
    1: [1, () => data.readInt8(0)],
    2: [1, () => data.readUInt8(0)],
    3: [2, () => data.readInt16LE(0)],
    4: [2, () => data.readUInt16LE(0)],
    5: [4, () => data.readInt32LE(0)],
    6: [4, () => data.readUInt32LE(0)],
    7: [4, () => data.readFloatLE(0)],
    9: [8, () => data.readDoubleLE(0)],
    12: [8, () => Number(data.readBigInt64LE(0))],
    13: [8, () => Number(data.readBigUInt64LE(0))],
  };
  const [bytes, read] = readers[type] ?? [Number.POSITIVE_INFINITY, () => 0];
  return data.length >= bytes ? read() : null;
}
