/** Pruning ratios: numbers from 0 to 1 everywhere except in names of files and keys, which have whole percents. */

export const WHOLE_PERCENTS = 'different numbers from 0 to 0.99 in whole percents';

export const isWholePercent = (ratio: number) => Math.abs(ratio * 100 - percentOf(ratio)) < 1e-9;

/** Converts 0.3 to 30, only for names (run/names.ts). */
export const percentOf = (ratio: number): number => Math.round(ratio * 100);
