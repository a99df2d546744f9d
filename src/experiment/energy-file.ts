/** `energy.json` of a run folder: what each phase took, summed over all processes that worked on the run. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EnergySource } from '../native/energy';
import type { EnergyTotals } from '../report/input';

export type { EnergyTotal, EnergyTotals } from '../report/input';

export const ENERGY_FILE = 'energy.json';

export interface EnergyFile {
  version: 1;
  sources: EnergySource[];
  /** Power of the idle machine before the run, watts. */
  idle: { seconds: number; watts: number | null };
  /** By path: "search", "search/train", "search/detect", "search/evaluate", "search/load", "search/average", "prune", "retrain", "retrain/train", ... */
  phases: EnergyTotals;
}

/** One sentence: what is read how, or why not, and what to know about it. */
export function sourceText({ part, method, name, reason, notes }: EnergySource): string {
  const what = part === 'dram' ? 'memory' : part === 'given' ? 'estimate' : part.toUpperCase();
  const how =
    method === null ? `not read: ${reason}` : [name, ...(method === 'sampled' ? ['sampled'] : []), ...notes].join('; ');
  return `${what}: ${how}`;
}

/** How the figures were come by; null where there are none. */
export function methodText(sources: readonly EnergySource[]): string | null {
  const used = sources.filter(({ method }) => method !== null && method !== 'estimated');
  if (used.length > 0) return `measured: ${used.map(({ name }) => name).join(', ')}`;
  return sources.some(({ method }) => method === 'estimated') ? 'estimated from the given watts' : null;
}

/** The files of a run's stages as one. Their phases have different names. */
export function mergeEnergy(files: readonly (EnergyFile | null)[]): EnergyFile | null {
  const there = files.filter((file) => file !== null);
  const [first, last] = [there[0], there.at(-1)];
  if (!first || !last) return null;
  return { ...first, sources: last.sources, phases: Object.assign({}, ...there.map(({ phases }) => phases)) };
}

/** null where the run was not metered. */
export async function readEnergy(folder: string): Promise<EnergyFile | null> {
  try {
    return JSON.parse(await readFile(join(folder, ENERGY_FILE), 'utf8')) as EnergyFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
