/** Compared with SciPy: test/study/statistics.json, made by scripts/golden/study_statistics.py. */
import { incompleteBeta, tQuantile, tUpper } from '../../src/student-t';
import { difference, equivalence, estimate } from '../../src/study/statistics';
import golden from './statistics.json';

/** Digits that agree. */
function near(value: number | null | undefined, wanted: number, digits = 10): void {
  expect(Math.abs(value! - wanted)).toBeLessThanOrEqual(10 ** -digits * Math.max(1e-3, Math.abs(wanted)));
}

describe('against SciPy', () => {
  test.each(golden.beta)('the incomplete beta function at $x, $a, $b', ({ x, a, b, value }) => {
    near(incompleteBeta(x, a, b), value);
  });

  test.each(golden.tails)('P(T > $t) with $df degrees of freedom', ({ t, df, p }) => {
    near(tUpper(t, df), p);
  });

  test.each(golden.quantiles)('the quantile $p with $df degrees of freedom', ({ p, df, t }) => {
    near(tQuantile(p, df), t);
  });

  test.each(golden.samples.map((sample) => [sample.a.length, sample] as const))('%i pairs', (n, sample) => {
    const own = estimate(sample.a)!;
    for (const key of ['mean', 'sd', 'low', 'high'] as const) near(own[key], sample.of_a[key]);
    const pairs = sample.a.map((value, i) => [value, sample.b[i]!] as const);
    const { margin, tost, p, ...interval } = sample.paired;
    const found = difference(pairs, margin)!;
    expect(found.n).toBe(n);
    for (const key of ['mean', 'sd', 'low', 'high'] as const) near(found[key], interval[key], 9);
    near(found.p, p, 9);
    near(found.equivalence!.p, tost, 9);
    expect(found.equivalence!.equivalent).toBe(tost < 0.05);
  });
});

test('the 90 % interval lies within the margin exactly where the values are equivalent', () => {
  const outcomes = golden.samples.map(({ a, b }) => {
    const values = a.map((value, i) => value - b[i]!);
    const { low, high } = estimate(values, 0.9)!;
    const { equivalent } = equivalence(estimate(values)!, 0.5)!;
    expect(equivalent).toBe(low! > -0.5 && high! < 0.5);
    return equivalent;
  });
  expect(new Set(outcomes).size).toBe(2);
});

test('one seed has a mean and nothing else', () => {
  expect(estimate([90])).toEqual({ n: 1, mean: 90, sd: null, low: null, high: null });
  expect(difference([[90, 89]], 0.5)).toMatchObject({ mean: 1, p: null, equivalence: null });
  expect(estimate([])).toBeNull();
  expect(difference([], 0.5)).toBeNull();
});

test('equal pairs are equivalent, and differ by nothing', () => {
  const pairs = [90, 91, 92].map((value) => [value, value] as const);
  expect(difference(pairs, 0.5)).toMatchObject({
    mean: 0,
    low: 0,
    high: 0,
    p: 1,
    equivalence: { p: 0, equivalent: true },
  });
  const apart = [90, 91, 92].map((value) => [value, value - 2] as const);
  expect(difference(apart, 0.5)).toMatchObject({ mean: 2, p: 0, equivalence: { p: 1, equivalent: false } });
});
