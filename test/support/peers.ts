/** The PyTorch peers of bench/peer and a Python that can run them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const PEERS = resolve(__dirname, '..', '..', 'bench', 'peer');

const PARSE = `import importlib, json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
programs = json.loads(sys.argv[2])
print(json.dumps({name: vars(importlib.import_module(name).arguments(words)) for name, words in programs.items()}))`;

/** The options that programs read from their command lines; one process for all, since importing PyTorch takes seconds. */
export function parsedBy(python: string, programs: Record<string, string[]>): Record<string, unknown> {
  const words = ['-c', PARSE, PEERS, JSON.stringify(programs)];
  const { status, stdout, stderr, error } = spawnSync(python, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(error?.message ?? stderr);
  return JSON.parse(stdout);
}

const FIND = 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)';

/** A Python with PyTorch, or null with a printed reason. */
export function pythonWithTorch(): string | null {
  const environment = join(PEERS, '.venv', 'bin', 'python3');
  const named = process.env.EARLYBIRD_PYTHON;
  const candidates = [...(named ? [named] : []), ...(existsSync(environment) ? [environment] : []), 'python3'];
  const found = candidates.find((python) => spawnSync(python, ['-c', FIND]).status === 0);
  if (found === undefined)
    console.warn('skipped: no Python has PyTorch, so that peer_train and peer_quant cannot be read');
  return found ?? null;
}

/** A Python that imports PyTorch, also from the LibTorch folder of the repository: where pip filled it, it is PyTorch itself. */
export function torchProgram(): { python: string; env: NodeJS.ProcessEnv } | null {
  const folder = resolve(__dirname, '..', '..', '.libtorch');
  const python = join(PEERS, '.venv', 'bin', 'python3');
  const candidates = [
    ...(existsSync(python) ? [{ python, env: process.env }] : []),
    { python: 'python3', env: process.env },
    { python: 'python3', env: { ...process.env, PYTHONPATH: folder } },
  ];
  const found = candidates.find(({ python, env }) => spawnSync(python, ['-c', 'import torch'], { env }).status === 0);
  if (!found) console.warn('skipped: no Python here imports torch');
  return found ?? null;
}
