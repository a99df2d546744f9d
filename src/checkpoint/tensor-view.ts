/** Dense row-major bytes of a tensor as PyTorch stores it (storage, offset, sizes, strides). */
import { DTYPE_BYTES, type Dtype } from '../tensor';
import { type Budget, refuse } from './refuse';
import { elementCount } from './value';

/** A view of a storage, with offset and strides in elements. */
export interface View {
  /** Number of bytes of an element. */
  itemBytes: number;
  offset: number;
  shape: number[];
  strides: number[];
}

/**
 * Bytes of the view, itemBytes * product(shape) of them. Row-major views share the storage's memory, so tensors that
 * share memory in the file still do; others are copied, charged to `budget`. Undefined where the copy exceeds the
 * budget. Refuses a view that leaves its storage.
 */
export function denseBytes(storage: Uint8Array, view: View, budget: Budget): Uint8Array | undefined {
  const count = checkView(storage.byteLength, view);
  const { itemBytes, offset, shape, strides } = view;
  if (isRowMajor(shape, strides)) return storage.subarray(offset * itemBytes, (offset + count) * itemBytes);
  return budget.tryBuffer(count * itemBytes) ? gather(storage, view, count) : undefined;
}

/** The number of elements. Refuses a view that leaves its storage of `bytes` bytes. */
export function checkView(bytes: number, { itemBytes, offset, shape, strides }: View): number {
  const count = elementCount(shape);
  if (shape.length !== strides.length || Number.isNaN(count))
    refuse(`a tensor has an impossible shape (${shape.join(', ')})`);
  if (!isSize(offset) || !strides.every(isSize)) refuse('a tensor has a negative or absurd offset or stride');

  // This is the last element of the view. The comparison also refuses sums beyond the safe integers.
  const last = count === 0 ? offset - 1 : shape.reduce((at, size, d) => at + (size - 1) * strides[d]!, offset);
  if (last >= bytes / itemBytes || offset > bytes / itemBytes)
    refuse(`a tensor of shape (${shape.join(', ')}) reaches beyond its storage`);
  return count;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRowMajor(shape: number[], strides: number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return false;
    expected *= shape[d]!;
  }
  return true;
}

/** Copies element by element in row-major order. It copies bytes, as storages need not be aligned. */
function gather(storage: Uint8Array, view: View, count: number): Uint8Array {
  const { itemBytes, shape, strides } = view;
  const dense = new Uint8Array(count * itemBytes);
  const index = shape.map(() => 0);
  let from = view.offset * itemBytes;
  for (let to = 0; to < dense.length; to += itemBytes) {
    for (let b = 0; b < itemBytes; b++) dense[to + b] = storage[from + b]!;
    // As in an odometer, the last dimension is stepped; on overflow it is rewound and the next one carries.
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d]! * itemBytes;
      if (++index[d]! < shape[d]!) break;
      from -= strides[d]! * shape[d]! * itemBytes;
      index[d] = 0;
    }
  }
  return dense;
}

/**
 * A copy with the sign of every element changed, which PyTorch defers until the values are used. Undefined where the
 * copy exceeds the budget.
 */
export function negated(bytes: Uint8Array, dtype: Dtype, budget: Budget): Uint8Array | undefined {
  if (!budget.tryBuffer(bytes.byteLength)) return undefined;
  const result = new Uint8Array(bytes);
  const itemBytes = DTYPE_BYTES[dtype];
  for (let at = 0; at < result.length; at += itemBytes) {
    if (dtype.includes('float')) result[at + itemBytes - 1]! ^= 0x80;
    else {
      // In two's complement all bits are inverted, plus one.
      let carry = 1;
      for (let i = at; i < at + itemBytes; i++) {
        carry += ~result[i]! & 0xff;
        result[i] = carry;
        carry >>= 8;
      }
    }
  }
  return result;
}

/** Row-major strides of a shape, in elements. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = strides[d + 1]! * Math.max(shape[d + 1]!, 1);
  return strides;
}
