/** Means, medians and ratios of measured values. */

export interface Statistic {
  n: number;
  mean: number;
  /** Sample standard deviation (n - 1); null for a single value. */
  sd: number | null;
}

export function statistic(values: readonly number[]): Statistic | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((a, b) => a + b) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { n, mean, sd: n > 1 ? Math.sqrt(squares / (n - 1)) : null };
}

export interface Spread {
  median: number;
  low: number;
  high: number;
}

export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}

/** a / b by medians; null where one of them is missing. */
export function ratioOf(a: Spread | null | undefined, b: Spread | null | undefined): number | null {
  return a && b ? a.median / b.median : null;
}

/** Smallest known value; null if none. */
export function smallest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? Math.min(...known) : null;
}

/** Reverses every other round, so that a machine that slows down or speeds up favours no item. */
export function alternating<T>(items: readonly T[], round: number): T[] {
  return round % 2 === 1 ? [...items].reverse() : [...items];
}
