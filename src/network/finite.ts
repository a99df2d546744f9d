/** Looks for NaN and infinity in tensors, by the bits of their exponents. */
import { alignedTo, type Dtype, type StateDict, type TensorData } from '../tensor';

/**
 * Words per element, bytes of the word with the exponent, and the exponent's bits, all of which are set in NaN and
 * infinity.
 */
const EXPONENTS: Partial<Record<Dtype, { words: 1 | 2; bytes: 2 | 4; bits: number }>> = {
  float64: { words: 2, bytes: 4, bits: 0x7ff00000 },
  float32: { words: 1, bytes: 4, bits: 0x7f800000 },
  float16: { words: 1, bytes: 2, bits: 0x7c00 },
  bfloat16: { words: 1, bytes: 2, bits: 0x7f80 },
};

/** Number of values of a tensor that are NaN or infinite; 0 for whole numbers. */
function countNotFinite({ dtype, data }: TensorData): number {
  const form = EXPONENTS[dtype];
  if (!form) return 0;
  const { words, bytes, bits } = form;
  const { buffer, byteOffset, length } = alignedTo(bytes, data);
  const Words = bytes === 4 ? Uint32Array : Uint16Array;
  const all = new Words(buffer as ArrayBuffer, byteOffset, length / bytes);
  let count = 0;
  for (let i = words - 1; i < all.length; i += words) if ((all[i]! & bits) === bits) count++;
  return count;
}

/** The first tensor with values that are NaN or infinite, with their number; null where all are finite. */
export function firstNotFinite(state: StateDict): { key: string; count: number; of: number } | null {
  for (const [key, tensor] of state) {
    const count = countNotFinite(tensor);
    if (count > 0) return { key, count, of: tensor.shape.reduce((a, b) => a * b, 1) };
  }
  return null;
}
