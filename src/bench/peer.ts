/** What the benchmarks beside a peer have in common: programs run one after the other, and medians of their figures. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requestedDevice } from '../engine/device';
import { EarlybirdError, type ErrorCode } from '../errors';
import { packageRoot, peersCommand } from '../package';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { StepRecord } from './step';

/** What a program prints. Rejects with ERR_USAGE and the last line of its errors when it fails, takes too long or is not there. */
export function runProgram(
  program: string,
  words: string[],
  { timeout }: { timeout: number },
  { signal }: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], signal, timeout: timeout * 1000 });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000);
    });
    child.on('error', (error) => reject(signal?.aborted ? signal.reason : failed(error.message)));
    child.on('close', (code, killed) => {
      if (code === 0) return resolve(output);
      const last = errors.trim().split('\n').at(-1) || `it ended with code ${code}`;
      reject(
        ownError(last) ?? failed(killed ? `it was ended by ${killed} after at most ${timeout} s (--timeout)` : last),
      );
    });
    const failed = (why: string) =>
      new EarlybirdError(
        'ERR_USAGE',
        `${program} ${words.slice(0, 3).join(' ')} gave no figure: ${why.replace(/\.$/, '')}; --python names another Python.`,
      );
  });
}

/** What our own program, run with --json, says of itself needs no second wrapping. */
function ownError(line: string): EarlybirdError | null {
  try {
    const { error } = JSON.parse(line) as { error: { code: ErrorCode; message: string; detail?: string } };
    return new EarlybirdError(error.code, error.message, error.detail);
  } catch {
    return null;
  }
}

/** What every benchmark beside a peer is asked. */
interface PeerOptions {
  peer?: string | undefined;
  python?: string | undefined;
}

/**
 * Settles which peer a recipe asks for: `peer` becomes the folder that holds the program, or undefined, and `python` the one to
 * run it. By default that is bench/peer of this package, once it has its environment or another Python is named.
 */
export function settlePeer<R extends PeerOptions>(recipe: R, program: string, log?: (line: string) => void): R {
  const own = join(packageRoot, 'bench', 'peer');
  const folder = recipe.peer ?? own;
  const environment = join(folder, '.venv', 'bin', 'python3');
  const python = recipe.python ?? (existsSync(environment) ? environment : undefined);
  if (recipe.peer === 'none') return { ...recipe, peer: undefined };
  if (recipe.peer === undefined && python === undefined) {
    log?.(`no PyTorch peer: ${peersCommand()} makes one (--peer none leaves it out)`);
    return recipe;
  }
  if (!existsSync(join(folder, program)))
    throw new EarlybirdError('ERR_USAGE', `--peer ${folder} holds no ${program}: give a folder like ${own}, or none.`);
  return { ...recipe, peer: folder, python };
}

/** One round of our own program in another process, with further flags. */
export async function runApart<T>(
  recipe: BenchStepRecipe,
  options: RunOptions,
  more: Record<string, unknown> = {},
): Promise<T> {
  const { model, batchSize, steps, warmup, threads, precision, seed, capture, cudnnSearch } = recipe;
  const flags = {
    model,
    batchSize,
    steps,
    warmup,
    threads,
    precision,
    seed,
    capture,
    cudnnSearch,
    device: requestedDevice(recipe),
    rounds: 1,
    peer: 'none',
    ...more,
  };
  const words = Object.entries(flags).flatMap(([key, value]) =>
    value === undefined ? [] : [`--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(value)],
  );
  const main = join(packageRoot, 'dist', 'cli', 'main.js');
  const output = await runProgram(
    process.execPath,
    [main, 'bench', 'step', ...words, '--json', '--quiet'],
    recipe,
    options,
  );
  return JSON.parse(output) as T;
}

/** What the peer writes, as far as it is read here (bench/peer/README.md, "The record"). */
interface PeerRecord {
  dtype: string;
  torch: string;
  device_name?: string;
  threads: number;
  images_per_s_wall: number;
  batch: number;
  peak_mib: { resident?: number };
}

/** `cfg`: a file with the widths of a pruned network. */
export async function runPeer(
  recipe: BenchStepRecipe,
  mode: string,
  options: RunOptions,
  cfg?: string,
): Promise<StepRecord> {
  const { peer, model, batchSize, steps, warmup, threads, precision, python = 'python3' } = recipe;
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-bench-'));
  try {
    const file = join(folder, 'record.json');
    const device = requestedDevice(recipe);
    const flags: Record<string, unknown> = {
      model,
      mode,
      dtype: precision === 'bf16' ? 'bf16' : 'fp32', // reference ignores it: it is always fp32
      batch: batchSize,
      steps,
      warmup,
      json: file,
      'compile-mode': 'default',
      ...(cfg === undefined ? {} : { cfg }),
      ...(device === 'auto' ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    };
    const words = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
    await runProgram(python, [join(peer!, 'peer_train.py'), ...words], recipe, options);
    const record = JSON.parse(await readFile(file, 'utf8')) as PeerRecord;
    return {
      system: mode,
      dtype: record.dtype,
      imagesPerSecond: record.images_per_s_wall,
      stepMs: (1000 * record.batch) / record.images_per_s_wall,
      residentMib: record.peak_mib.resident ?? null,
      versions: { torch: record.torch, device: record.device_name ?? 'unknown', threads: record.threads },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
