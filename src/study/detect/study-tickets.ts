/** A study as runs of `detect`: its searches, and how good the tickets are that it drew from them. */
import { join } from 'node:path';
import { percentOf } from '../../recipe/ratio';
import { RunDirectory } from '../../run/directory';

/** Top-1 of the ticket drawn from a search after so many epochs and retrained, percent; null where there is none. */
export type TicketLookup = (folder: string, ratio: number, completed: number) => number | null;

/** The part of study.json that is read here. */
interface StudyFile {
  searches: { seed: number }[];
  runs: { seed: number; ratio: number; epoch: number; control: string | null; result: { top1: number } | null }[];
}

/** Folders of searches in place of those of studies, and the tickets of these. */
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
