/** The content of a checkpoint as a tree of plain data. */
import { DTYPE_BYTES, type Dtype, type TensorData } from '../tensor';

/**
 * Python's None, bool, int, float, str, bytes, list or tuple, dict, and tensors. A Python int is a number where it is a
 * safe integer, else a bigint. Tuples and sets come back as arrays, complex numbers and torch's constants (a dtype, a
 * device) as text. A number is written as a Python int where it is a safe integer (not -0), else as a float. Anything
 * that cannot be read is an {@link Opaque} or an {@link UnreadTensor}.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TensorData
  | UnreadTensor
  | Opaque
  | Value[]
  | Dict;

/** A key of a Python dict. A tuple, or an object that is not read, becomes a text that shows it. */
export type Key = string | number | bigint | boolean | null;

/** A Python dict in file order. */
export type Dict = Map<Key, Value>;

/** A Python collections.OrderedDict, which is what `model.state_dict()` returns. */
export class OrderedDict extends Map<Key, Value> {}

/** A Python object of an unknown class. Nothing of it was built or run. */
export class Opaque {
  constructor(
    /** Its class or function, such as "argparse.Namespace". */
    readonly name: string,
  ) {}

  toString(): string {
    return `${this.name}, not read`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A tensor whose values are not read, as its element type, layout or size is not supported. */
export class UnreadTensor {
  /** Number of bytes of its values in the file. */
  bytes = 0;

  constructor(
    /**
     * Element type as PyTorch names it, with the layout where that is not strided, such as "complex64" or "float32
     * (sparse_coo)".
     */
    readonly dtype: string,
    readonly shape: number[],
    /** Reason why its values cannot be taken, as the end of a sentence that begins "the tensor ...". */
    readonly reason: string,
  ) {}
}

export function isDict(value: unknown): value is Dict {
  // The tag is compared instead of instanceof, as maps may come from another realm (jest, worker_threads).
  return Object.prototype.toString.call(value) === '[object Map]';
}

export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value);
}

export function isTensor(value: unknown): value is TensorData {
  return (
    typeof value === 'object' &&
    value !== null &&
    'dtype' in value &&
    'shape' in value &&
    'data' in value &&
    isBytes(value.data)
  );
}

/** Number of elements of a shape; 1 for a scalar's []. NaN where it is not a shape or the product is not a safe integer. */
export function elementCount(shape: readonly unknown[]): number {
  let count = 1;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return Number.NaN;
    count *= size;
    if (!Number.isSafeInteger(count)) return Number.NaN;
  }
  return count;
}

/** True where the length of `data` fits `dtype` and `shape`. */
export function isWellFormed(tensor: TensorData): boolean {
  return (
    tensor.dtype in DTYPE_BYTES && tensor.data.byteLength === elementCount(tensor.shape) * DTYPE_BYTES[tensor.dtype]
  );
}

/**
 * The elements as numbers (int64 beyond 2^53 loses its last bits; bool is 0 or 1). A typed array over `data.buffer` does not work for
 * tensors that were read: they are views of the file's bytes and need not be aligned.
 */
export function numbersOf(tensor: TensorData): Float64Array {
  const { dtype, data } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = DTYPE_BYTES[dtype];
  const read = ELEMENT_READERS[dtype];
  const numbers = new Float64Array(data.byteLength / size);
  for (let i = 0; i < numbers.length; i++) numbers[i] = read(view, i * size);
  return numbers;
}

const bitsToFloat = new DataView(new ArrayBuffer(4));

const ELEMENT_READERS: Record<Dtype, (view: DataView, at: number) => number> = {
  float64: (view, at) => view.getFloat64(at, true),
  float32: (view, at) => view.getFloat32(at, true),
  float16: (view, at) => halfToNumber(view.getUint16(at, true)),
  // A bfloat16 number is the upper half of a float32.
  bfloat16: (view, at) => {
    bitsToFloat.setUint32(0, view.getUint16(at, true) * 0x10000);
    return bitsToFloat.getFloat32(0);
  },
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  int32: (view, at) => view.getInt32(at, true),
  int16: (view, at) => view.getInt16(at, true),
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  bool: (view, at) => view.getUint8(at),
};

/** Converts the bits of an IEEE 754 binary16 to a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
