/** Results of `bench compare` as text. */
import type { BenchComparison } from '../../bench/compare';
import { columns, times } from './cells';

export function compareText({ a, b, machine, figures, differences, notes }: BenchComparison): string {
  const line = columns(Math.max(...figures.map(({ name }) => name.length)) + 2, 12, 12, 9);
  return [
    `${a} and ${b}, both of ${machine.fingerprint}: medians`,
    '',
    line('', 'A', 'B', 'B / A'),
    ...figures.map(
      ({ name, a: x, b: y, ratio, overlap }) =>
        `${line(name, x.toPrecision(5), y.toPrecision(5), times(ratio))}${overlap ? '  ranges overlap' : ''}`,
    ),
    ...differences.map(({ name, a: x, b: y }) => `not the same: ${name} ${x} and ${y}`),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}
