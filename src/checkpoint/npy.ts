/** numpy's .npy files: reads versions 1 to 3, writes version 1.0 with the same bytes as numpy. */
import { type WriteOptions, writeFileAtomic } from '../atomic';
import { EarlybirdError } from '../errors';
import { DTYPE_BYTES, type Dtype, type TensorData } from '../tensor';
import { readWholeFile } from './read-file';
import { Budget, namingFile, refuse } from './refuse';
import { denseBytes, rowMajorStrides } from './tensor-view';
import { elementCount, isWellFormed } from './value';

/** Codes of numpy's types; bfloat16 has none. */
const CODES: Partial<Record<Dtype, string>> = {
  float64: '<f8',
  float32: '<f4',
  float16: '<f2',
  int64: '<i8',
  int32: '<i4',
  int16: '<i2',
  int8: '|i1',
  uint8: '|u1',
  bool: '|b1',
};
const DTYPES = new Map(Object.entries(CODES).map(([dtype, code]) => [code, dtype as Dtype]));
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
const HEADER = /^\{'descr': '([^']{1,8})', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n$/;

/** Reads an array of numpy's .npy format. Throws ERR_FILE, or ERR_CHECKPOINT on a damaged file or an unsupported dtype. */
export async function readNpy(file: string): Promise<TensorData> {
  return parseNpy(await readWholeFile(file), file);
}

/**
 * Writes an array in numpy's .npy format. `data` holds the elements in row-major order, little-endian. Throws ERR_FILE, or
 * ERR_CHECKPOINT where data and shape differ in size, or numpy lacks the dtype (bfloat16).
 */
export async function writeNpy(
  file: string,
  array: { dtype: Dtype; shape: number[]; data: ArrayBufferView },
  options: WriteOptions = {},
): Promise<void> {
  const { dtype, shape, data } = array;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const code = CODES[dtype];
  if (code === undefined || !isWellFormed({ dtype, shape, data: bytes }))
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${file} cannot be written: numpy cannot hold ${dtype} data of shape (${shape.join(', ')})`,
    );
  await writeFileAtomic(file, [npyHeader(code, shape), bytes], options);
}

export function looksLikeNpy(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

/** Reads an array from the bytes of a file. Throws ERR_CHECKPOINT. Data in C order is a view into `bytes`. */
export function parseNpy(bytes: Uint8Array, name = 'the array', budget = new Budget(bytes.length)): TensorData {
  return namingFile(name, () => {
    const { text, end } = headerText(bytes);
    const [, code, fortran, sizes] = HEADER.exec(text) ?? refuse('its numpy header is damaged');
    const dtype = DTYPES.get(code!);
    if (dtype === undefined) refuse(`its numpy type ${JSON.stringify(code)} is not supported`);
    const shape = parseShape(sizes!);
    const data = bytes.subarray(end);
    if (data.length !== elementCount(shape) * DTYPE_BYTES[dtype])
      refuse('its data has another size than its shape says');
    const strides = fortran === 'True' ? rowMajorStrides([...shape].reverse()).reverse() : rowMajorStrides(shape);
    const dense = denseBytes(data, { itemBytes: DTYPE_BYTES[dtype], offset: 0, shape, strides }, budget);
    return { dtype, shape, data: dense ?? refuse('its columns would take more memory than the file') };
  });
}

function headerText(bytes: Uint8Array): { text: string; end: number } {
  if (!looksLikeNpy(bytes) || bytes.length < 12) refuse('it is not a numpy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) refuse('its numpy version is unknown');
  const [start, length] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const end = start + length;
  // numpy itself refuses a header of more than 10,000 bytes.
  if (length > 10_000 || end > bytes.length) refuse('its numpy header is damaged');
  return { text: Buffer.from(bytes.subarray(start, end)).toString('latin1'), end };
}

/** Reads the inside of a shape: '' is a scalar, '3,' one dimension, '3, 4' two. */
function parseShape(text: string): number[] {
  const shape = text
    .replace(/,$/, '')
    .split(',')
    .filter((size) => size !== '')
    .map((size) => (/^ ?\d+$/.test(size) ? Number(size) : Number.NaN));
  if (shape.length > 64 || Number.isNaN(elementCount(shape))) refuse('it has an impossible shape');
  return shape;
}

/**
 * The header. numpy pads it to a multiple of 64 bytes, after leaving room for the first dimension to grow to 21 digits.
 */
function npyHeader(code: string, shape: number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const growth = shape.length > 0 ? ' '.repeat(Math.max(0, 21 - String(shape[0]).length)) : '';
  const text = `{'descr': '${code}', 'fortran_order': False, 'shape': ${tuple}, }${growth}`;
  const total = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(total, ' ');
  MAGIC.copy(header);
  header.writeUInt16LE(0x0001, 6);
  header.writeUInt16LE(total - 10, 8);
  header.write(text, 10, 'latin1');
  header[total - 1] = 0x0a;
  return header;
}
