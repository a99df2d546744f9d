/** Tests for a trend in a short series, both two-sided. */
import { tUpper } from '../../student-t';

/** Statistic and p-value of a test. */
export interface TestResult {
  statistic: number;
  p: number;
}

/**
 * The Mann-Kendall test by the normal approximation with the correction for ties and for continuity. The statistic is
 * S, rising pairs minus falling pairs (Kendall, "Rank Correlation Methods", 1975).
 */
export function mannKendall(values: readonly number[]): TestResult {
  const n = values.length;
  let s = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) s += Math.sign(values[j]! - values[i]!);
  const ties = new Map<number, number>();
  for (const value of values) ties.set(value, (ties.get(value) ?? 0) + 1);
  const spread = (count: number) => count * (count - 1) * (2 * count + 5);
  const variance = (spread(n) - [...ties.values()].reduce((sum, count) => sum + spread(count), 0)) / 18;
  if (s === 0 || variance === 0) return { statistic: s, p: 1 };
  const z = (Math.abs(s) - 1) / Math.sqrt(variance);
  return { statistic: s, p: erfc(z / Math.SQRT2) };
}

/** The t-test that the least-squares slope over the positions is 0; the statistic is the slope. */
export function slopeTest(values: readonly number[]): TestResult {
  const n = values.length;
  const [middle, centre] = [(n - 1) / 2, values.reduce((sum, value) => sum + value, 0) / n];
  const [sxx, sxy, syy] = values.reduce(
    ([xx, xy, yy], value, i) => {
      const [dx, dy] = [i - middle, value - centre];
      return [xx + dx * dx, xy + dx * dy, yy + dy * dy];
    },
    [0, 0, 0],
  );
  const [slope, freedom] = [sxx === 0 ? 0 : sxy! / sxx!, n - 2];
  if (freedom < 1 || sxy === 0) return { statistic: slope, p: 1 };
  const residual = Math.max(0, syy! - slope * sxy!);
  return { statistic: slope, p: 2 * tUpper(Math.abs(slope) * Math.sqrt((freedom * sxx!) / residual), freedom) };
}

/**
 * Complementary error function for x >= 0, by its power series below 2 and its continued fraction above (Abramowitz and
 * Stegun, "Handbook of Mathematical Functions", 7.1.6 and 7.1.14).
 */
export function erfc(x: number): number {
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
