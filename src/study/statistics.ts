/**
 * Means over seeds, with the tests that say what they allow to conclude. Pure functions, compared with SciPy's values
 * by test/study/statistics.test.ts. Differences are paired by seed: both runs of a pair share data order and initial
 * weights, so that their effect cancels.
 */
import { statistic } from '../measure';
import { CONFIDENCE, tInterval, tUpper } from '../student-t';

/** A mean with its interval. */
export interface Estimate {
  n: number;
  mean: number;
  /** Sample standard deviation; null for a single value. */
  sd: number | null;
  /** Student's t interval of the mean at 95 %; null for a single value. */
  low: number | null;
  high: number | null;
}

/** The mean of paired differences, with its tests. */
export interface Difference extends Estimate {
  /** p value of the two-sided paired t test against no difference; null for a single pair. */
  p: number | null;
  /** Result of two one-sided tests against the margin; null for a single pair. */
  equivalence: Equivalence | null;
}

export interface Equivalence {
  margin: number;
  /** The larger p value of the two one-sided tests. */
  p: number;
  /** True where p < 0.05, which means that the 90 % interval is within the margin. */
  equivalent: boolean;
}

const ALPHA = 1 - CONFIDENCE;

/** Mean and t interval; null without a value. */
export function estimate(values: readonly number[], confidence = CONFIDENCE): Estimate | null {
  const known = statistic(values);
  return known && { ...known, ...tInterval(known, confidence) };
}

/** Mean and tests of the differences a - b, one for each seed; null without a pair. */
export function difference(pairs: readonly (readonly [a: number, b: number])[], margin: number): Difference | null {
  const values = pairs.map(([a, b]) => a - b);
  const known = estimate(values);
  if (!known) return null;
  return { ...known, p: oneSampleP(known), equivalence: equivalence(known, margin) };
}

/** Two-sided p value of the t test that a mean is 0. */
function oneSampleP({ n, mean, sd }: Estimate): number | null {
  if (sd === null) return null;
  const t = Math.abs(mean) / (sd / Math.sqrt(n));
  // All values are equal: either no difference, or one without spread.
  if (Number.isNaN(t)) return 1;
  return 2 * tUpper(t, n - 1);
}

/**
 * Equivalence of paired values by two one-sided t tests (Schuirmann, "A comparison of the two one-sided tests procedure
 * and the power approach for assessing the equivalence of average bioavailability", J. Pharmacokinet. Biopharm. 15,
 * 1987), which test that the mean difference is above -margin and below +margin.
 */
export function equivalence({ n, mean, sd }: Estimate, margin: number): Equivalence | null {
  if (sd === null) return null;
  const error = sd / Math.sqrt(n);
  const above = (distance: number) => (error === 0 ? (distance > 0 ? 0 : 1) : tUpper(distance / error, n - 1));
  const p = Math.max(above(mean + margin), above(margin - mean));
  return { margin, p, equivalent: p < ALPHA };
}
