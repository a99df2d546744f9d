/** Cells and lines that the texts of all benchmarks share. */
import { type Machine, machineText } from '../../engine/machine';
import type { Spread } from '../../measure';

/** A line of cells: the first is aligned left in its column, the others right. */
export const columns =
  (...widths: number[]) =>
  (...cells: string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('');

export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
export const times = (ratio: number | null | undefined) => (ratio == null ? '-' : `${ratio.toFixed(2)}x`);
export const range = ({ low, high }: Spread, digits: number) => `${low.toFixed(digits)} to ${high.toFixed(digits)}`;
export const medianAndRange = (value: Spread, digits: number) =>
  `${value.median.toFixed(digits)} (${range(value, digits)})`;

export const versionsText = (versions: Record<string, string | number>) =>
  Object.entries(versions)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** The lines of a result and its machine, without which the figures mean nothing. */
export const withMachine = ({ machine }: { machine: Machine }, lines: string[]) =>
  [...lines, '', machineText(machine)].join('\n');
