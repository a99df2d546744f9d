/** The choice of the implementation that computes each class of convolutions on the CPU. */

/**
 * The implementation of each class of convolutions, by name, as in "fp32 3x3, under 64 channels, over 8 pixels": "winograd".
 * Other implementations give other last bits, so a run records its own.
 */
export type KernelTable = Record<string, string>;

/** The answer of a process for one class. */
export interface KernelAnswer {
  class: string;
  kernel: string;
  /**
   * Time of a forward and backward pass, by implementation; Infinity where its result was wrong. Empty where the answer
   * came from a cache.
   */
  milliseconds: Record<string, number>;
}

/**
 * Costs by class: picoseconds of processor time per multiply-add for widths that are multiples of 1, 8, 16 or 32, and
 * of no larger one of these; 0 where the class has no such width.
 */
export type WidthCosts = Record<string, number[]>;
