/** The batch jobs of scripts/slurm, with an srun and a scontrol that only note their words. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-slurm-'));
const notes = join(folder, 'notes');
const tool = (name: string, script: string) =>
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

beforeAll(() => {
  tool('srun', 'printf "%s\\n" "$@" >"$NOTES"; exit "$STATUS"');
  tool('scontrol', 'echo "scontrol $*" >>"$NOTES"');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(['one-node', 'several-nodes'])('%s.sbatch', (name) => {
  const script = join(__dirname, '..', '..', 'scripts', 'slurm', `${name}.sbatch`);
  function job(ends: number, env: NodeJS.ProcessEnv = {}) {
    const { status } = spawnSync('/bin/bash', [script, '--save', 'a b'], {
      env: { PATH: folder, NOTES: notes, STATUS: String(ends), SLURM_JOB_ID: '7', ...env },
    });
    return { status, words: readFileSync(notes, 'utf8').trim().split('\n') };
  }
  const started = (...program: string[]) => ['--kill-on-bad-exit=0', ...program, 'train', '--save', 'a b'];

  test('starts earlybird, or the words of EARLYBIRD', () => {
    expect(job(0)).toEqual({ status: 0, words: started('earlybird') });
    expect(job(1, { EARLYBIRD: 'node /path/dist/cli/main.js' })).toEqual({
      status: 1,
      words: started('node', '/path/dist/cli/main.js'),
    });
  });

  test('queues itself again after a run that was asked to stop', () => {
    expect(job(130)).toEqual({ status: 130, words: [...started('earlybird'), 'scontrol requeue 7'] });
  });
});
