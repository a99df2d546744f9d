export const WHOLE_PERCENTS = 'different numbers from 0 to 0.99 in whole percents';
export const isWholePercent = (p: number) => Math.abs(p * 100 - Math.round(p * 100)) < 1e-9;
/** Integer percent of a ratio, as file names spell it: 0.3 -> 30. */
export function percentOf(ratio: number): number {
  return Math.round(ratio * 100);
}
