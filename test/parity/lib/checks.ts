/** Collects the comparisons of one case. The first few that fail are named; when all hold, the worst one is reported. */
export class Checks {
  private readonly failures: string[] = [];
  private failed = 0;
  private count = 0;
  private worst: { what: string; deviation: number; tolerance: number } | undefined;

  private fail(text: string): void {
    this.failed++;
    if (this.failures.length < 3) this.failures.push(text);
  }

  ok(what: string, holds: boolean): void {
    this.count++;
    if (!holds) this.fail(what);
  }

  /** Exact equality of plain values, arrays and objects. */
  equal(what: string, actual: unknown, expected: unknown): void {
    this.count++;
    const a = show(actual);
    const b = show(expected);
    if (a !== b) this.fail(`${what}: got ${clip(a)}, expected ${clip(b)}`);
  }

  within(what: string, deviation: number, tolerance: number): void {
    this.count++;
    if (!(deviation <= tolerance)) this.fail(`${what}: off by ${short(deviation)} (tol ${short(tolerance)})`);
    const { worst } = this;
    if (!worst || deviation * worst.tolerance > worst.deviation * tolerance)
      this.worst = { what, deviation, tolerance };
  }

  /** Throws the failures; otherwise returns how many comparisons held and which came nearest to its tolerance. */
  done(remark = ''): string {
    if (this.failed > 0) {
      const more = this.failed > this.failures.length ? `; ${this.failed - this.failures.length} more` : '';
      throw new Error(`${this.failures.join('; ')}${more}`);
    }
    if (remark) return remark;
    const { worst } = this;
    if (!worst) return `${this.count} exact`;
    const nearest = `max|d| ${short(worst.deviation)} (tol ${short(worst.tolerance)})`;
    return this.count === 1 ? nearest : `${nearest}, ${this.count} checks, nearest ${worst.what}`;
  }
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return value === 0 ? '0' : String(value);
  if (ArrayBuffer.isView(value)) return show(Array.from(value as unknown as ArrayLike<number>));
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${key}: ${show(field)}`)
    .join(', ')}}`;
}

const clip = (text: string): string => (text.length > 120 ? `${text.slice(0, 117)}...` : text);

export const short = (value: number): string => (value === 0 ? '0' : value.toExponential(1));

/** Largest |a - b|; NaN (which fails every tolerance) when the lengths differ or a value is not a number. */
export function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const d = Math.abs(actual[i]! - expected[i]!);
    if (!(d <= worst)) worst = d;
    if (Number.isNaN(worst)) return worst;
  }
  return worst;
}
