/** Student's t distribution, and the interval of a mean. Tested against SciPy's values by test/study/statistics.test.ts. */

/** Confidence of an interval where no other is named. */
export const CONFIDENCE = 0.95;

/** The bounds of an interval; null where a single value allows none. */
export interface Interval {
  low: number | null;
  high: number | null;
}

/** Student's t interval of the mean of `n` values, whose sample standard deviation is `sd`. */
export function tInterval(
  { n, mean, sd }: { n: number; mean: number; sd: number | null },
  confidence = CONFIDENCE,
): Interval {
  if (sd === null) return { low: null, high: null };
  const half = tQuantile((1 + confidence) / 2, n - 1) * (sd / Math.sqrt(n));
  return { low: mean - half, high: mean + half };
}

/** P(T > t) of Student's t distribution with `df` degrees of freedom. */
export function tUpper(t: number, df: number): number {
  const tail = 0.5 * incompleteBeta(df / (df + t * t), df / 2, 0.5);
  return t >= 0 ? tail : 1 - tail;
}

/** The value below which a share `p` of Student's t distribution lies, by bisection: 0.975 and 2 give 4.3027. */
export function tQuantile(p: number, df: number): number {
  if (p < 0.5) return -tQuantile(1 - p, df);
  let [low, high] = [0, 1];
  while (1 - tUpper(high, df) < p) high *= 2;
  // Bisects until two neighbouring numbers are left.
  for (let middle = high / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (1 - tUpper(middle, df) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The regularised incomplete beta function I_x(a, b), by its continued fraction with Lentz's algorithm (NIST Digital Library of
 * Mathematical Functions, 8.17.22).
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast only below the mean.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  const tiny = 1e-300;
  const safe = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let factor = 1;
    for (const term of [even, odd]) {
      d = 1 / safe(1 + term * d);
      c = safe(1 + term / c);
      factor = c * d;
      fraction *= factor;
    }
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return front * fraction;
}

const logBeta = (a: number, b: number) => logGamma(a) + logGamma(b) - logGamma(a + b);

/** ln of the gamma function for x > 0: Stirling's series (DLMF 5.11.1) above 12, the recurrence below. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 12; z++) shift += Math.log(z);
  const w = 1 / (z * z);
  const series = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188 - w * (691 / 360360)))))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
