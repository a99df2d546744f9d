/** Makes a study usable by `detect`: its searches, and the accuracy of the tickets drawn from them. */
import { join } from 'node:path';
import { percentOf } from '../../recipe/ratio';
import { RunDirectory } from '../../run/directory';

/**
 * Returns the top-1 in percent of the ticket drawn from a search after that number of epochs and retrained; null where
 * there is none.
 */
export type TicketLookup = (folder: string, ratio: number, completed: number) => number | null;

/** Fields of study.json that are read here. */
interface StudyFile {
  searches: { seed: number }[];
  runs: { seed: number; ratio: number; epoch: number; control: string | null; result: { top1: number } | null }[];
}

/** Replaces folders of studies by those of their searches, and finds the tickets of these. */
export async function studySearches(runs: readonly string[]): Promise<{ folders: string[]; lookup: TicketLookup }> {
  const tickets = new Map<string, number>();
  const key = (folder: string, ratio: number, completed: number) =>
    JSON.stringify([folder, percentOf(ratio), completed]);
  const folders: string[] = [];
  for (const run of runs) {
    const study = await RunDirectory.at(run).readJson<StudyFile>('study.json');
    const searchOf = (seed: number) => join(run, `seed-${seed}`, 'search');
    folders.push(...(study ? study.searches.map(({ seed }) => searchOf(seed)) : [run]));
    for (const { seed, ratio, epoch, control, result } of study?.runs ?? [])
      if (control === null && result) tickets.set(key(searchOf(seed), ratio, epoch), result.top1);
  }
  return { folders, lookup: (folder, ratio, completed) => tickets.get(key(folder, ratio, completed)) ?? null };
}
