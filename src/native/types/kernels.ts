/** Which implementation computes a convolution on the CPU. */

/**
 * The implementation of each class of convolutions, by name, as in "fp32 3x3, under 64 channels, over 8 pixels": "winograd".
 * Other implementations give other last bits, so a run records its own.
 */
export type KernelTable = Record<string, string>;

/** What a process knows of one class. */
export interface KernelAnswer {
  class: string;
  kernel: string;
  /** Of a forward and backward pass, by implementation; Infinity for one whose result was wrong. Empty where it came from a cache. */
  milliseconds: Record<string, number>;
}

/**
 * By class: picoseconds of a multiply-add where the widths are multiples of 1, 8, 16 and 32, and of no larger one; 0 where the class
 * has no such width.
 */
export type WidthCosts = Record<string, number[]>;
