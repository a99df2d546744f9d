/**
 * Masks in plain TypeScript: the slow twin of the native mask, which also reads checkpoints of networks that are not
 * built here. Masks are always packed: channel 0 is the most significant bit of the first byte, padded with zeros.
 */
import { numbersOf } from '../checkpoint/value';
import type { StateDict } from '../tensor';

export interface Mask {
  /** Channels whose |gamma| is not above this are masked. */
  threshold: number;
  /** Number of channels that stay, of `total`. */
  kept: number;
  total: number;
  /** Packed bits; 1 for a channel that stays. */
  bits: Uint8Array;
}

/**
 * Mask at ratio p (paper section 3, reference class EarlyBird): sort |gamma|, threshold = sorted[int(N*p)], keep the
 * channels strictly above it. Channels equal to the threshold are all dropped; NaN sorts last and is never kept.
 *
 * @param gammas scales of all BN layers in traversal order, shape [N]
 * @param ratio p, 0 <= p < 1
 *
 * @example
 * const { value } = await readCheckpoint('ckpt9.pth.tar');
 * const { kept, total } = maskFromGammas(gammasOf(stateDictOf(value, 'ckpt9.pth.tar')), 0.5);
 */
export function maskFromGammas(gammas: Float32Array, ratio: number): Mask {
  const magnitudes = gammas.map(Math.abs);
  const sorted = Float32Array.from(magnitudes).sort();
  const threshold = sorted[Math.min(Math.trunc(sorted.length * ratio), sorted.length - 1)] ?? Number.NaN;
  const bits = new Uint8Array(Math.ceil(gammas.length / 8));
  let kept = 0;
  magnitudes.forEach((magnitude, channel) => {
    if (!(magnitude > threshold)) return;
    bits[channel >> 3]! |= 0x80 >> (channel & 7);
    kept++;
  });
  return { threshold, kept, total: gammas.length, bits };
}

/**
 * Gammas of all BatchNorm layers of a state dict in traversal order, shape [N]. In any layout of keys, a layer with
 * running_var is a BatchNorm layer. Channels that an earlier pruning took out of a selection count by their gammas here;
 * the native mask, which knows the network, counts them as 0.
 */
export function gammasOf(state: StateDict): Float32Array {
  const layers: Float64Array[] = [];
  for (const key of state.keys()) {
    if (!key.endsWith('.running_var')) continue;
    const gamma = state.get(key.replace(/running_var$/, 'weight'));
    if (gamma) layers.push(numbersOf(gamma));
  }
  const flat = new Float32Array(layers.reduce((sum, layer) => sum + layer.length, 0));
  let offset = 0;
  for (const layer of layers) {
    flat.set(layer, offset);
    offset += layer.length;
  }
  return flat;
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function differingBits(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) count += ONES[a[i]! ^ b[i]!]!;
  return count;
}

/** Fraction of equal bits of two masks over `total` channels. */
export function overlap(a: Uint8Array, b: Uint8Array, total: number): number {
  return (total - differingBits(a, b)) / total;
}

/** Mask distance d = 1 - equal/N, 0 to 1, computed as in the reference (so 90 equal of 100 give 0.09999999999999998). */
export function maskDistance(a: Uint8Array, b: Uint8Array, total: number): number {
  return 1 - overlap(a, b, total);
}

/**
 * Fraction of equal bits of every pair of masks, shape [masks, masks], row-major; the slow twin of the native
 * maskOverlap.
 */
export function overlapMatrix(masks: readonly Uint8Array[], total: number): Float64Array {
  const matrix = new Float64Array(masks.length ** 2);
  masks.forEach((a, i) => {
    masks.forEach((b, j) => {
      matrix[i * masks.length + j] = overlap(a, b, total);
    });
  });
  return matrix;
}
