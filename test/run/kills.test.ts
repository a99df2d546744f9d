/** Runs that are killed, or whose writes fail, again and again: a short turn of test/stress/kill.mjs. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { trained } from '../cli/run-cli';

const kill = join(__dirname, '..', 'stress', 'kill.mjs');
const isThere = spawnSync('cc', ['--version']).status === 0;
if (!isThere) console.warn('skipped: no C compiler for the library that a run is killed with');

(isThere ? trained : test.skip)(
  'after 25 faults runs end with the bytes of runs that nothing happened to',
  () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [kill, '--times', '25'], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${stdout}${stderr}`);
    expect(JSON.parse(stdout)).toMatchObject({ failed: 0 });
    expect(JSON.parse(stdout).faults).toBeGreaterThanOrEqual(25);
  },
  600_000,
);
