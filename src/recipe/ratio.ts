/** Pruning ratios: numbers from 0 to 1 everywhere but in the names of files and keys, which spell whole percents. */

export const WHOLE_PERCENTS = 'different numbers from 0 to 0.99 in whole percents';

export const isWholePercent = (ratio: number) => Math.abs(ratio * 100 - percentOf(ratio)) < 1e-9;

/** 0.3 -> 30. Only for names: see run/names.ts. */
export const percentOf = (ratio: number): number => Math.round(ratio * 100);
