/** Sums of metered windows. A sum is valid only where the same parts were read throughout, and each of them moved. */
import type { EnergyReading, EnergySource } from '../native/types/energy';
import type { EnergyTotal, EnergyTotals, EpochMetrics } from '../run/metrics';

/** The window around everything, in EnergyTotals. */
export const WHOLE = 'whole';
/** Windows whose sum is the `joules` of an epoch. */
const EPOCH_WINDOWS = ['detect', 'train', 'evaluate', 'average'];

/** Key of EnergyTotal.parts: the part and the method by which it is read. */
export const wayOf = ({ part, method }: Pick<EnergySource, 'part' | 'method'>) => `${part} ${method}`;
const isGiven = (way: string) => way === wayOf({ part: 'given', method: 'estimated' });

/** Measured parts in words. */
export function waysText(ways: readonly string[]): string {
  const words = ways.map((way) => {
    const [part, method] = way.split(' ') as [string, string];
    return `${part === 'dram' ? 'memory' : part.toUpperCase()} (${method})`;
  });
  return words.join(' + ') || 'nothing';
}

/** Parts that were read, sorted; given watts are not a reading. */
export const measuredWays = ({ parts = {} }: Pick<EnergyTotal, 'parts'>) =>
  Object.keys(parts)
    .filter((way) => !isGiven(way))
    .sort();

export const isEstimated = ({ parts = {} }: Pick<EnergyTotal, 'parts'>) => Object.keys(parts).some(isGiven);

/** True where figures of two sets of parts may be added or compared. Given watts alone go with any set, and are flagged. */
export const sameWays = (a: readonly string[], b: readonly string[]) =>
  a.length === 0 || b.length === 0 || a.join() === b.join();

/** Total of one window. Its joules are null unless all `needed` parts were read. */
export function totalOf({ seconds, joules, parts }: EnergyReading, needed: Iterable<string>): EnergyTotal {
  const read = parts.filter((value) => value.joules !== null);
  const estimated = read.some((value) => isGiven(wayOf(value)));
  // With several ranks a part occurs several times.
  const unread = (part: string) => parts.find((value) => value.part === part && value.joules === null);
  const lost = [...needed].find((part) => unread(part) || read.every((value) => value.part !== part));
  const why = lost && (unread(lost)?.reason ?? `${lost.toUpperCase()} is not read`);
  const reason = why ? `${estimated ? 'estimated: ' : ''}${why}` : read.find((value) => value.reason)?.reason;
  return {
    windows: 1,
    seconds,
    joules: lost && !estimated ? null : joules,
    ...(read.length > 0 ? { parts: sumBy(read.map((value) => [wayOf(value), value.joules!])) } : {}),
    ...(read.some(({ host }) => host) ? { hosts: sumBy(read.map(({ host, joules }) => [host!, joules!])) } : {}),
    ...(reason ? { reason } : {}),
  };
}

function plus(a: EnergyTotal, b: EnergyTotal): EnergyTotal {
  const [before, after] = [measuredWays(a), measuredWays(b)];
  const known = a.joules !== null && b.joules !== null;
  const differ = known && !sameWays(before, after);
  const missing = [a, b].find(({ joules }) => joules === null);
  const reason = differ
    ? `${waysText(before)} was read at first, ${waysText(after)} later`
    : (missing?.reason ?? a.reason ?? b.reason);
  const parts = addSums(a.parts, b.parts);
  const hosts = addSums(a.hosts, b.hosts);
  return {
    windows: a.windows + b.windows,
    seconds: a.seconds + b.seconds,
    joules: known && !differ ? a.joules! + b.joules! : null,
    ...(parts ? { parts } : {}),
    ...(hosts ? { hosts } : {}),
    ...(reason ? { reason } : {}),
  };
}

type Sums = Record<string, number>;

const addSums = (a: Sums | undefined, b: Sums | undefined): Sums | undefined =>
  a && b ? sumBy([...Object.entries(a), ...Object.entries(b)]) : (a ?? b);

function sumBy(entries: readonly (readonly [string, number])[]): Sums {
  const sums: Sums = {};
  for (const [name, value] of entries) sums[name] = (sums[name] ?? 0) + value;
  return sums;
}

/** The total of `whole` minus that of a window within it. */
export function minus(whole: EnergyTotal, inner: EnergyTotal | undefined): EnergyTotal {
  if (!inner || whole.joules === null) return whole;
  const less = (of: Sums = {}, within: Sums = {}) =>
    Object.fromEntries(Object.entries(of).map(([name, joules]) => [name, joules - (within[name] ?? 0)]));
  const parts = less(whole.parts, inner.parts);
  const hosts = whole.hosts && { hosts: less(whole.hosts, inner.hosts) };
  const gone = Object.values(inner.parts ?? {}).reduce((sum, joules) => sum + joules, 0);
  return { ...whole, seconds: whole.seconds - inner.seconds, joules: whole.joules - gone, parts, ...hosts };
}

/**
 * Sets joules to null where a counter did not move: one window may be too short for it, but a sum of 0 J is no
 * measurement.
 */
export function settled(total: EnergyTotal): EnergyTotal {
  const still = total.joules === 0 || Object.values(total.parts ?? {}).includes(0);
  if (total.joules === null || !still) return total;
  return { ...total, joules: null, reason: total.reason ?? 'what is read did not change' };
}

/** Adds totals window by window. */
export function addTotals(a: EnergyTotals, b: EnergyTotals): EnergyTotals {
  const sum = { ...a };
  for (const [name, more] of Object.entries(b)) sum[name] = sum[name] ? plus(sum[name], more) : more;
  return sum;
}

/** Energy of an epoch's passes and detection; null where nothing was metered. */
function epochTotal(spent: EnergyTotals | null | undefined): EnergyTotal | null {
  const windows = EPOCH_WINDOWS.flatMap((name) => spent?.[name] ?? []);
  return windows.length === 0 ? null : windows.reduce(plus);
}

/** Joules of an epoch; null where there is no figure. */
export function epochJoules(spent: EnergyTotals | null): number | null {
  const total = epochTotal(spent);
  return total && settled(total).joules;
}

/** Energy of passes and detection of all epochs; null unless each epoch was metered. */
export function epochsTotal(metrics: readonly Pick<EpochMetrics, 'energy'>[]): EnergyTotal | null {
  const totals = metrics.flatMap(({ energy }) => epochTotal(energy) ?? []);
  return totals.length === 0 || totals.length < metrics.length ? null : settled(totals.reduce(plus));
}

/** Totals of a phase: all its epochs, and `rest` after the last one. Joules are null where an epoch was not metered. */
export function phaseTotals(
  phase: string,
  metrics: readonly Pick<EpochMetrics, 'energy'>[],
  rest: EnergyTotals = {},
): EnergyTotals {
  const totals = [...metrics.map(({ energy }) => energy ?? {}), rest].reduce(addTotals, {});
  const missing = metrics.filter(({ energy }) => !energy).length;
  const reason = `${missing} of ${metrics.length} epochs were not metered`;
  const { [WHOLE]: whole, ...parts } = totals;
  const named = Object.entries(parts).map(([name, total]): [string, EnergyTotal] => [`${phase}/${name}`, total]);
  return Object.fromEntries(
    [...(whole ? [[phase, whole] as const] : []), ...named].map(([path, total]) => [
      path,
      missing > 0 ? { ...total, joules: null, reason } : settled(total),
    ]),
  );
}
