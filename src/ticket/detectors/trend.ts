/**
 * Stationarity: neither a Mann-Kendall test (Mann, Econometrica 13, 1945; Kendall, "Rank Correlation Methods", 1975) nor a t-test of
 * the least-squares slope finds a trend in the smoothed distances of adjacent masks. The signal is the smaller of the two p-values,
 * the threshold the level of the tests. Smoothing correlates neighbours, which makes both p-values too small: it fires rather late.
 */
import { maskDistance } from '../mask';
import { above, channelsOf, type Detector, mean, UNDECIDED } from './detector';
import { mannKendall, slopeTest } from './trend-tests';

function runningMeans(values: readonly number[], width: number): number[] {
  return values.slice(width - 1).map((_, i) => mean(values.slice(i, i + width)));
}

export const trend: Detector = {
  signal: 'p-value of a trend',
  byLayer: false,
  settled: 'above',
  held: ({ window, smooth = 1 }) => ({ masks: window + smooth, losses: 0 }),
  judge({ layers, masks }, settings) {
    const { window, smooth = 1 } = settings;
    if (masks.length < window + smooth) return UNDECIDED;
    const used = masks.slice(-window - smooth);
    const adjacent = used.slice(1).map((mask, i) => maskDistance(used[i]!, mask, channelsOf(layers)));
    const values = runningMeans(adjacent, smooth);
    return above(Math.min(mannKendall(values).p, slopeTest(values).p), settings);
  },
};
