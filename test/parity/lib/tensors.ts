import { createHash } from 'node:crypto';
import type { TensorData } from '../../../src/tensor';

export function floatTensor(values: Float32Array, shape: number[]): TensorData {
  return { dtype: 'float32', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

export function floatsOf(tensor: TensorData): Float32Array {
  if (tensor.dtype !== 'float32') throw new Error(`expected a float32 tensor, got ${tensor.dtype}`);
  const { buffer, byteOffset, byteLength } = tensor.data;
  if (byteOffset % 4 === 0) return new Float32Array(buffer, byteOffset, byteLength / 4);
  // Uint8Array.from() copies, where data.slice() of a Buffer would not.
  return new Float32Array(Uint8Array.from(tensor.data).buffer);
}

/** Bound here, because a look-up of a global is slow in jest's own realm (see random.ts). */
const { abs } = Math;

export interface Sums {
  sum: number;
  absSum: number;
}

export function sumsOf(values: ArrayLike<number>): Sums {
  let sum = 0;
  let absSum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    absSum += abs(values[i]!);
  }
  return { sum, absSum };
}

/** Tolerance of float64 sums of exact tensors: covers any order of summation. */
export const SUM_TOLERANCE = 1e-9;

export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** `*_hex` fields: 8 digits a float32, most significant digit first. */
export function floatsOfHex(hex: string): Float32Array {
  const bits = new Uint32Array(hex.length / 8);
  for (let i = 0; i < bits.length; i++) bits[i] = Number.parseInt(hex.slice(8 * i, 8 * i + 8), 16);
  return new Float32Array(bits.buffer);
}

export function hexOfFloat(value: number): string {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!.toString(16).padStart(8, '0');
}

export const hexOfBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const bytesOfHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Channel 0 is the most significant bit of the first byte. */
export function unpackBits(packed: Uint8Array, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (packed[i >> 3]! >> (7 - (i & 7))) & 1);
}

export const elements = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
