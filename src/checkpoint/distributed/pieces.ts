/** Tensors that were stored in blocks. */
import { DTYPE_BYTES, type TensorData } from '../../tensor';
import { type Budget, refuse } from '../refuse';
import { elementCount } from '../value';

/** A block of a tensor, with its values. */
export interface Block {
  offsets: readonly number[];
  tensor: TensorData;
}

/** Limit of the number of blocks, above the ranks of any training, since every pair of blocks is compared. */
const MOST_BLOCKS = 4096;

/**
 * Refuses blocks that do not make up the tensor: each must lie inside it, none may overlap, and all of it must be
 * covered.
 */
export function checkCover(
  shape: readonly number[],
  blocks: readonly { offsets: readonly number[]; sizes: readonly number[] }[],
): void {
  if (blocks.length > MOST_BLOCKS) refuse(`it is in more than ${MOST_BLOCKS} pieces`);
  for (const { offsets, sizes } of blocks)
    if (
      offsets.length !== shape.length ||
      sizes.length !== shape.length ||
      shape.some((size, d) => offsets[d]! < 0 || sizes[d]! < 0 || offsets[d]! + sizes[d]! > size)
    )
      refuse('one of its pieces reaches beyond it');
  const full = blocks.filter(({ sizes }) => elementCount(sizes) > 0);
  const overlap = full.some((a, i) =>
    full
      .slice(i + 1)
      .some((b) =>
        shape.every(
          (_, d) => a.offsets[d]! < b.offsets[d]! + b.sizes[d]! && b.offsets[d]! < a.offsets[d]! + a.sizes[d]!,
        ),
      ),
  );
  if (overlap) refuse('two of its pieces overlap');
  const covered = full.reduce((sum, { sizes }) => sum + elementCount(sizes), 0);
  if (covered !== elementCount(shape)) refuse('pieces of it are missing');
}

/** Joins blocks into the tensor that they make up. They have passed {@link checkCover}, and have one type. */
export function joinBlocks(shape: number[], blocks: readonly Block[], budget: Budget): TensorData {
  const { dtype } = blocks[0]!.tensor;
  const itemBytes = DTYPE_BYTES[dtype];
  budget.buffer(elementCount(shape) * itemBytes);
  const data = new Uint8Array(elementCount(shape) * itemBytes);
  for (const { offsets, tensor } of blocks) {
    // Elements of the last dimension are contiguous in the block and in the whole.
    const row = (tensor.shape.at(-1) ?? 1) * itemBytes;
    for (let from = 0; row > 0 && from < tensor.data.byteLength; from += row)
      data.set(
        tensor.data.subarray(from, from + row),
        itemBytes * positionOf(from / itemBytes, shape, tensor.shape, offsets),
      );
  }
  return { dtype, shape, data };
}

/** Position in the whole, in elements, of an element of a block. */
function positionOf(
  element: number,
  shape: readonly number[],
  block: readonly number[],
  offsets: readonly number[],
): number {
  let [rest, position, stride] = [element, 0, 1];
  for (let d = shape.length - 1; d >= 0; d--) {
    position += ((rest % block[d]!) + offsets[d]!) * stride;
    rest = Math.floor(rest / block[d]!);
    stride *= shape[d]!;
  }
  return position;
}
