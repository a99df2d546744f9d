/** `energy.json` of a run folder: the energy of each phase, summed over all processes that worked on the run. */
import type { EnergySource } from '../native/types/energy';
import { RunDirectory } from '../run/directory';
import type { EnergyTotal, EnergyTotals } from '../run/metrics';
import { isEstimated, wayOf } from './totals';

export const ENERGY_FILE = 'energy.json';

/** The contents of energy.json. */
export interface EnergyFile {
  version: 1;
  /** Counters as the last process found them, and those that only earlier processes could read. */
  sources: EnergySource[];
  /** Power of the idle machine before the run, watts. */
  idle: { seconds: number; watts: number | null };
  /**
   * Totals by path: "search", "search/train", "search/detect", "search/evaluate", "search/load", "search/average",
   * "prune", "retrain", "retrain/train", ...
   */
  phases: EnergyTotals;
}

/** One sentence about a counter: what it reads and by which method, or why it cannot be read. */
export function sourceText({ part, method, name, reason, notes }: EnergySource): string {
  const what = part === 'dram' ? 'memory' : part === 'given' ? 'estimate' : part.toUpperCase();
  const how =
    method === null ? `not read: ${reason}` : [name, ...(method === 'sampled' ? ['sampled'] : []), ...notes].join('; ');
  return `${what}: ${how}`;
}

/** The method by which a figure was obtained, or the reason why there is none; null where nothing was metered. */
export function methodText(sources: readonly EnergySource[], total: EnergyTotal | null | undefined): string | null {
  if (!total) return null;
  if (total.joules === null) return total.reason ? `not known: ${total.reason}` : null;
  const used = sources.filter((source) => source.part !== 'given' && wayOf(source) in (total.parts ?? {}));
  const estimate = isEstimated(total);
  if (used.length === 0) return estimate ? 'estimated from the given watts' : null;
  return `measured: ${used.map(({ name }) => name).join(', ')}${estimate ? '; partly estimated from the given watts' : ''}`;
}

/** The current counters, and those that could be read only before. */
export function mergeSources(before: readonly EnergySource[], now: readonly EnergySource[]): EnergySource[] {
  if (now.length === 0) return [...before];
  const gone = before.filter(
    (source) => source.method !== null && now.every((other) => wayOf(other) !== wayOf(source)),
  );
  return [...now, ...gone];
}

/** Merges the files of a run's stages, whose phases have different names. */
export function mergeEnergy(files: readonly (EnergyFile | null)[]): EnergyFile | null {
  const there = files.filter((file) => file !== null);
  const [first] = there;
  if (!first) return null;
  const sources = there.map((file) => file.sources).reduce(mergeSources);
  return { ...first, sources, phases: Object.assign({}, ...there.map(({ phases }) => phases)) };
}

/** Reads energy.json of a run's folder; null where the run was not metered. Throws ERR_FILE where the file is damaged. */
export function readEnergy(folder: string): Promise<EnergyFile | null> {
  return RunDirectory.at(folder).readJson<EnergyFile>(ENERGY_FILE);
}
