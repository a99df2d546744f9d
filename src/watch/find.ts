/** Finds the runs in and under folders. Links are not followed, so that nothing outside the folders is found. */
import { type Dirent, existsSync } from 'node:fs';
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
/** Limits of the depth of folders, and of the number of runs. */
const DEPTH = 4;
const MOST = 64;

/** Runs in the order of the folders and of their names. A folder without one counts as a run that has not begun. */
export async function findRuns(folders: readonly string[]): Promise<FoundRun[]> {
  const found: FoundRun[] = [];
  for (const folder of folders) {
    const real = await realpath(folder).catch(() => folder);
    const runs = await runsUnder(real, DEPTH);
    for (const run of runs.length > 0 ? runs : [real]) {
      const within = relative(real, run);
      const name = within === '' ? basename(real) : join(basename(real), within);
      if (found.length < MOST && found.every((other) => other.folder !== run)) found.push({ folder: run, name });
    }
  }
  return found;
}

async function runsUnder(folder: string, depth: number): Promise<string[]> {
  if (await holdsRun(folder)) return [folder];
  if (depth === 0) return [];
  const names = (await entriesOf(folder)).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const runs: string[] = [];
  for (const { name } of names) {
    if (runs.length < MOST) runs.push(...(await runsUnder(join(folder, name), depth - 1)));
  }
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
  const names = (await entriesOf(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const stages = names.filter((name) => /^(search|retrain_[\w.-]+)$/.test(name));
  return stages.length === 0 ? ['.'] : stages.sort((a, b) => Number(b === 'search') - Number(a === 'search'));
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}
