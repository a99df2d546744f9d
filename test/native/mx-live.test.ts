/** The MX formats and NVFP4 beside gfloat and torchao, on blocks of another seed at every run. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');
const FIND = 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ["torch", "torchao", "gfloat"])))';

/** A Python with both judges, or null with a printed reason. */
function pythonWithJudges(): string | null {
  const candidates = [process.env.EARLYBIRD_PYTHON, join(root, 'bench/peer/.venv/bin/python3'), 'python3'];
  const found = candidates.find((python) => python && spawnSync(python, ['-c', FIND]).status === 0);
  if (!found)
    process.stderr.write('skipped: no Python has torch, torchao and gfloat; EARLYBIRD_PYTHON may name one that has\n');
  return found ?? null;
}

const python = pythonWithJudges();

(python ? test : test.skip)(
  'gfloat and torchao give the same bits',
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'earlybird-mx-'));
    try {
      const seed = Math.floor(Date.now() / 1000);
      const script = join(root, 'scripts/golden/mx_formats.py');
      const made = spawnSync(python!, [script, dir, '--seed', `${seed}`], { encoding: 'utf8' });
      if (made.status !== 0) throw new Error(`seed ${seed}: ${made.stderr}`);
      const { stdout } = spawnSync(process.execPath, [join(root, 'test/parity/main.js'), dir], { encoding: 'utf8' });
      const failed = stdout.split('\n').filter((line) => line.startsWith('FAIL'));
      expect({ seed, failed }).toEqual({ seed, failed: [] });
      expect(stdout).toMatch(/\b[1-9]\d* passed, 0 failed, 0 skipped\n$/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
  600_000,
);
