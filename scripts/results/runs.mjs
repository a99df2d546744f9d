// Shared by the scripts here: their own options stand before "--" and the flags of every run behind it; a run lies in a folder of its
// own, and a finished one is not run again.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist', 'cli', 'main.js');
const script = basename(process.argv[1]);
const words = process.argv.slice(2);
const mark = words.includes('--') ? words.indexOf('--') : words.length;

/** Flags of every run. */
export const flags = words.slice(mark + 1);

export function option(name, otherwise) {
  const at = words.slice(0, mark).indexOf(name);
  return at < 0 ? otherwise : words[at + 1];
}

export function fail(why) {
  console.error(`${script}: ${why}`);
  process.exit(1);
}

/** True for a run with a result, and for `train` whose whole search found no ticket, which ends without one. */
export function isFinished(folder) {
  if (existsSync(join(folder, 'result.json'))) return true;
  const search = join(folder, 'search', 'result.json');
  return existsSync(search) && Object.keys(JSON.parse(readFileSync(search, 'utf8')).tickets).length === 0;
}

/** Runs a command of this program in `folder`; returns its exit code. */
export function run(what, folder, command, env = {}) {
  console.error(`${script}: ${what}`);
  const all = [main, ...command, '--no-report', '--quiet', '--save', folder].map(String);
  const options = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } };
  return spawnSync(process.execPath, all, options).status;
}
