/** `energy.json` of a run folder: what each phase took, summed over all processes that worked on the run. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EnergySource } from '../native/energy';

export const ENERGY_FILE = 'energy.json';

/** Sum over all windows of one name. */
export interface EnergyTotal {
  windows: number;
  seconds: number;
  /** null where any of the windows could not be read. */
  joules: number | null;
}

export interface EnergyFile {
  version: 1;
  sources: EnergySource[];
  /** Power of the idle machine before the run, watts. */
  idle: { seconds: number; watts: number | null };
  /** By path: "search", "search/train", "search/detect", "search/evaluate", "search/load", "prune", "retrain", "retrain/train", ... */
  phases: Record<string, EnergyTotal>;
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
