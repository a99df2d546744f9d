/**
 * The generator of the reference data: every weight, image and label is a function of (seed, ordinal, index).
 * 64-bit arithmetic runs on two 32-bit halves, because VGG16 alone needs 14.7 million values.
 */
/** Bound here, because look-ups of globals are slow in jest's realm, and these loops run over millions of values. */
const { imul } = Math;

const GOLDEN = 0x9e3779b97f4a7c15n;
const GOLDEN_HIGH = 0x9e3779b9;
const GOLDEN_LOW = 0x7f4a7c15;
const MASK64 = (1n << 64n) - 1n;

/** Unsigned 64-bit seeds arrive as numbers, or as strings where a number could not hold them. */
export type Seed = number | string | bigint;

export const ORDINAL = { images: 1_000_000, labels: 2_000_000, misc: 3_000_000, bytes: 4_000_000 } as const;

function mix64(value: bigint): bigint {
  let z = value;
  z ^= z >> 30n;
  z = (z * 0xbf58476d1ce4e5b9n) & MASK64;
  z ^= z >> 27n;
  z = (z * 0x94d049bb133111ebn) & MASK64;
  return z ^ (z >> 31n);
}

/** stream(seed, ordinal), computed once a tensor. */
export function stream(seed: Seed, ordinal: number): bigint {
  return mix64((BigInt(seed) + GOLDEN * BigInt(ordinal + 1)) & MASK64);
}

/** High half of the 64-bit product of two unsigned 32-bit numbers. */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const first = aHigh * bLow + ((aLow * bLow) >>> 16);
  const second = aLow * bHigh + (first & 0xffff);
  return (aHigh * bHigh + (first >>> 16) + (second >>> 16)) | 0;
}

/**
 * Upper 32 bits of z(seed, ordinal, first + i) for i in 0 .. out.length-1. Nothing in the reference needs the lower half except
 * the worked samples, which ask for `lower`.
 */
export function fillHigh(out: Uint32Array, seed: Seed, ordinal: number, first = 0, lower?: Uint32Array): Uint32Array {
  const start = (stream(seed, ordinal) + GOLDEN * BigInt(first)) & MASK64;
  let counterHigh = Number(start >> 32n) | 0;
  let counterLow = Number(start & 0xffffffffn) | 0;
  for (let i = 0; i < out.length; i++) {
    const sum = (counterLow >>> 0) + GOLDEN_LOW;
    counterLow = sum | 0;
    counterHigh = (counterHigh + GOLDEN_HIGH + (sum > 0xffffffff ? 1 : 0)) | 0;
    let high = counterHigh;
    let low = counterLow;

    low ^= (low >>> 30) | (high << 2);
    high ^= high >>> 30;
    high = (highProduct(low, 0x1ce4e5b9) + imul(high, 0x1ce4e5b9) + imul(low, 0xbf58476d)) | 0;
    low = imul(low, 0x1ce4e5b9);

    low ^= (low >>> 27) | (high << 5);
    high ^= high >>> 27;
    high = (highProduct(low, 0x133111eb) + imul(high, 0x133111eb) + imul(low, 0x94d049bb)) | 0;
    low = imul(low, 0x133111eb);

    if (lower) lower[i] = low ^ ((low >>> 31) | (high << 1));
    out[i] = high ^ (high >>> 31);
  }
  return out;
}

function floats(count: number, seed: Seed, ordinal: number, value: (k24: number) => number): Float32Array {
  const high = fillHigh(new Uint32Array(count), seed, ordinal);
  const out = new Float32Array(high.buffer);
  // In place: element i is read before it is written. Storing into a Float32Array is the one rounding.
  for (let i = 0; i < count; i++) out[i] = value(high[i]! >>> 8);
  return out;
}

const UNIT = 2 ** -24;

/** (u - 0.5f) * c, rounded once. */
export function centred(count: number, seed: Seed, ordinal: number, c: number): Float32Array {
  const scale = Math.fround(c);
  return floats(count, seed, ordinal, (k) => (k * UNIT - 0.5) * scale);
}

/** offset + u, rounded once. */
export function uniform(count: number, seed: Seed, ordinal: number, offset = 0): Float32Array {
  return floats(count, seed, ordinal, (k) => offset + k * UNIT);
}

const GAMMAS: Record<string, (k24: number) => number> = {
  u: (k) => k * UNIT,
  signed: (k) => (k * UNIT - 0.5) * 2,
  q16: (k) => (k >>> 20) / 16,
  q4s: (k) => ((k >>> 22) - 2) / 4,
  half_zero: (k) => (k & 1 ? k * UNIT : k & 2 ? 0 : -0),
  const_half: () => 0.5,
  const_one: () => 1,
};

export const gammaModes = Object.keys(GAMMAS);

export function gammas(count: number, seed: Seed, ordinal: number, mode: string): Float32Array {
  const value = GAMMAS[mode];
  if (!value) throw new Error(`unknown gamma mode '${mode}'`);
  return floats(count, seed, ordinal, value);
}

export function images(seed: Seed, k: number, shape: number[]): Float32Array {
  return centred(
    shape.reduce((a, b) => a * b, 1),
    seed,
    ORDINAL.images + k,
    4,
  );
}

export function labelOf(k24: number, classes: number): number {
  return Math.floor((k24 * classes) / 2 ** 24);
}

export function labels(seed: Seed, k: number, count: number, classes: number): Int32Array {
  const high = fillHigh(new Uint32Array(count), seed, ORDINAL.labels + k);
  return Int32Array.from(high, (z) => labelOf(z >>> 8, classes));
}
