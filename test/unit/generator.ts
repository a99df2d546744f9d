/** The generator of the golden data (its README, section 1): every value is made of 64-bit mixing, so that no weights are shipped. */

const MASK = (1n << 64n) - 1n;
const G = 0x9e3779b97f4a7c15n;

function mix(value: bigint): bigint {
  let z = value & MASK;
  z ^= z >> 30n;
  z = (z * 0xbf58476d1ce4e5b9n) & MASK;
  z ^= z >> 27n;
  z = (z * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

/** The 24-bit integers of one tensor. */
export function integers24(seed: number, ordinal: number, count: number): number[] {
  const stream = mix(BigInt(seed) + G * BigInt(ordinal + 1));
  return Array.from({ length: count }, (_, i) => Number(mix(stream + G * BigInt(i + 1)) >> 40n));
}

const GAMMA_MODES: Record<string, (k: number) => number> = {
  u: (k) => k / 2 ** 24,
  signed: (k) => (k / 2 ** 24 - 0.5) * 2,
  q16: (k) => (k >> 20) / 16,
  q4s: (k) => ((k >> 22) - 2) / 4,
  half_zero: (k) => (k & 1 ? k / 2 ** 24 : k & 2 ? 0 : -0),
  const_half: () => 0.5,
  const_one: () => 1,
};

export function gammas(mode: string, seed: number, ordinal: number, count: number): Float32Array {
  return Float32Array.from(integers24(seed, ordinal, count), GAMMA_MODES[mode]!);
}
