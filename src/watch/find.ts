/** Finds the runs in and under folders. Links are not followed, so that nothing outside the folders is found. */
import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { RunDirectory } from '../run/directory';

/** A folder with a run of `search`, `retrain` or `train`. */
export interface FoundRun {
  /** Real path of the folder. */
  folder: string;
  /** End of its path that tells it from the others. */
  name: string;
}

const COMMANDS = ['search', 'retrain', 'train'];
/**
 * Limit of the levels of folders below the given ones. A ticket of a study lies five below the study
 * (seed-1/p30/epoch-8/ticket/retrain), so seven below the folder that holds runs/.
 */
const DEPTH = 8;

/** Runs in the order of the folders and of their names. A folder without one counts as a run that has not begun. */
export async function findRuns(folders: readonly string[]): Promise<FoundRun[]> {
  const found = new Map<string, FoundRun>();
  for (const folder of folders) {
    const real = await realpath(folder).catch(() => folder);
    const runs = await runsUnder(real, DEPTH);
    for (const run of runs.length > 0 ? runs : [real]) {
      const within = relative(real, run);
      const name = within === '' ? basename(real) : join(basename(real), within);
      if (!found.has(run)) found.set(run, { folder: run, name });
    }
  }
  return [...found.values()];
}

async function runsUnder(folder: string, depth: number): Promise<string[]> {
  if (await holdsRun(folder)) return [folder];
  if (depth === 0) return [];
  const names = (await foldersIn(folder)).filter((name) => !name.startsWith('.') && name !== 'node_modules');
  const runs: string[] = [];
  for (const name of names) runs.push(...(await runsUnder(join(folder, name), depth - 1)));
  return runs;
}

async function holdsRun(folder: string): Promise<boolean> {
  if (!existsSync(join(folder, 'params.json'))) return false;
  const params = await RunDirectory.at(folder)
    .readJson<{ command?: string }>('params.json')
    .catch(() => ({ command: 'search' }));
  return COMMANDS.includes(params?.command ?? '');
}

/**
 * Paths within the folder of the stages of `train`, else of the run itself. A finished run says which retraining is its
 * own: those of earlier tickets stay where a ticket emerged at another epoch.
 */
export async function stagesIn(folder: string): Promise<string[]> {
  if (existsSync(join(folder, 'metrics.jsonl'))) return ['.'];
  const result = await RunDirectory.at(folder)
    .readJson<{ retrain?: { directory?: string } }>('result.json')
    .catch(() => null);
  const retrained = result?.retrain?.directory;
  if (typeof retrained === 'string') return ['search', basename(retrained)];
  const stages = (await foldersIn(folder)).filter((name) => /^(search|retrain_[\w.-]+)$/.test(name));
  return stages.length === 0 ? ['.'] : stages.sort((a, b) => Number(b === 'search') - Number(a === 'search'));
}

/** Names of the folders in a folder, in their order; none where it cannot be read. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
