/** Dense row-major bytes of a tensor as PyTorch stores it (storage, offset, sizes, strides). */
import { DTYPE_BYTES, type Dtype } from '../tensor';
import { type Budget, refuse } from './refuse';
import { elementCount } from './value';

/** Offset and strides in elements of the storage. */
export interface View {
  dtype: Dtype;
  offset: number;
  shape: number[];
  strides: number[];
}

/**
 * Bytes of the view, DTYPE_BYTES[dtype] * product(shape) of them. Row-major views share the storage's memory, so tensors that share
 * memory in the file still do; others are copied, charged to `budget`. Refuses a view that leaves its storage.
 */
export function denseBytes(storage: Uint8Array, view: View, budget: Budget): Uint8Array {
  const { offset, shape, strides } = view;
  const itemBytes = DTYPE_BYTES[view.dtype];
  const count = elementCount(shape);
  if (shape.length !== strides.length || Number.isNaN(count))
    refuse(`a tensor has an impossible shape (${shape.join(', ')})`);
  if (!isSize(offset) || !strides.every(isSize)) refuse('a tensor has a negative or absurd offset or stride');

  // The last element of the view. Sums beyond the safe integers are refused by the comparison.
  const last = count === 0 ? offset - 1 : shape.reduce((at, size, d) => at + (size - 1) * strides[d]!, offset);
  if (last >= storage.byteLength / itemBytes || offset > storage.byteLength / itemBytes)
    refuse(`a tensor of shape (${shape.join(', ')}) reaches beyond its storage`);

  if (isRowMajor(shape, strides)) return storage.subarray(offset * itemBytes, (offset + count) * itemBytes);
  budget.buffer(count * itemBytes);
  return gather(storage, view, itemBytes, count);
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

/** Copies element by element in row-major order, bytewise: storages need not be aligned. */
function gather(storage: Uint8Array, view: View, itemBytes: number, count: number): Uint8Array {
  const { shape, strides } = view;
  const dense = new Uint8Array(count * itemBytes);
  const index = shape.map(() => 0);
  let from = view.offset * itemBytes;
  for (let to = 0; to < dense.length; to += itemBytes) {
    for (let b = 0; b < itemBytes; b++) dense[to + b] = storage[from + b]!;
    // Odometer: step the last dimension; on overflow rewind it and carry.
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d]! * itemBytes;
      if (++index[d]! < shape[d]!) break;
      from -= strides[d]! * shape[d]! * itemBytes;
      index[d] = 0;
    }
  }
  return dense;
}

/** Row-major strides of a shape, in elements. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = strides[d + 1]! * Math.max(shape[d + 1]!, 1);
  return strides;
}
