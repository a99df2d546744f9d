const { floor, imul } = Math;

/**
 * A small deterministic generator for making data, not for training (which is Philox, in C++): SplitMix over 32 bits
 * (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). The same keys give the same numbers
 * on every machine.
 */
export class Random {
  private state: number;

  /** Different key lists give unrelated streams, so each image can have its own. */
  constructor(...keys: number[]) {
    this.state = keys.reduce((state, key) => mix((state ^ mix(key | 0)) + STEP), STEP);
  }

  private word(): number {
    this.state = (this.state + STEP) | 0;
    return mix(this.state);
  }

  /** A number uniform in [0, 1). */
  unit(): number {
    return (this.word() >>> 0) / 0x1_0000_0000;
  }

  /** A number uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** A whole number uniform in [0, count). */
  below(count: number): number {
    return floor(this.unit() * count);
  }

  /**
   * A nearly normal number of mean 0 and deviation 1: the sum of a word's four bytes, without functions that differ
   * between machines.
   */
  bell(): number {
    const word = this.word();
    const sum = (word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24);
    return (sum - 510) / 147.8;
  }
}

const STEP = 0x9e3779b9 | 0;

/** A bijection of 32-bit words in which every input bit changes every output bit about half the time. */
function mix(word: number): number {
  let z = word | 0;
  z = imul(z ^ (z >>> 16), 0x85ebca6b);
  z = imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
