/** Runs timed programs in a process of their own: the PyTorch peer, and this program beside it. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requestedDevice } from '../engine/device';
import { EarlybirdError } from '../errors';
import { packageRoot, peersCommand } from '../package';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { type Flags, flagWords, inTemporaryFolder, runProgram } from './program';
import type { StepRecord } from './step';

/** The options that every benchmark beside a peer has. */
interface PeerOptions {
  peer?: string | undefined;
  python?: string | undefined;
}

/**
 * Settles which peer a recipe asks for: `peer` becomes the folder that holds the program, or undefined, and `python`
 * the interpreter to run it. The default is bench/peer of this package, once it has its environment or a Python is
 * named.
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

/** Runs a program of the peer that `settlePeer` settled, and reads the record that it writes. */
export function peerRecord<T>(
  { peer, python = 'python3', timeout }: PeerOptions & { timeout: number },
  program: string,
  words: readonly string[],
  options: RunOptions,
  env: NodeJS.ProcessEnv = {},
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, 'record.json');
    await runProgram(python, [join(peer!, program), ...words, '--json', file], { timeout }, options, env);
    return JSON.parse(await readFile(file, 'utf8')) as T;
  });
}

/** Runs a command of this package in another process, so that its memory, threads and start compare with a peer's. */
export async function runApart<T>(
  command: readonly string[],
  flags: Flags,
  limits: { timeout: number },
  options: RunOptions,
): Promise<T> {
  const main = join(packageRoot, 'dist', 'cli', 'main.js');
  const words = [main, ...command, ...flagWords(flags), '--json', '--quiet'];
  return JSON.parse(await runProgram(process.execPath, words, limits, options)) as T;
}

/** Fields of the record of peer_train.py that are read here (bench/peer/README.md, "The record"). */
interface TrainRecord {
  dtype: string;
  torch: string;
  device_name?: string;
  threads: number;
  images_per_s_wall: number;
  batch: number;
  peak_mib: { resident?: number };
}

/** Times the peer's training step. `cfg`: a file with the widths of a pruned network. */
export async function runPeer(
  recipe: BenchStepRecipe,
  mode: string,
  options: RunOptions,
  cfg?: string,
): Promise<StepRecord> {
  const { model, batchSize, steps, warmup, threads, precision } = recipe;
  const device = requestedDevice(recipe);
  const words = flagWords({
    model,
    mode,
    dtype: precision === 'bf16' ? 'bf16' : 'fp32', // the mode reference ignores this: it is always fp32
    batch: batchSize,
    steps,
    warmup,
    compileMode: 'default',
    cfg,
    device: device === 'auto' ? undefined : device,
    threads,
  });
  const record = await peerRecord<TrainRecord>(recipe, 'peer_train.py', words, options);
  return {
    system: mode,
    dtype: record.dtype,
    imagesPerSecond: record.images_per_s_wall,
    stepMs: (1000 * record.batch) / record.images_per_s_wall,
    residentMib: record.peak_mib.resident ?? null,
    versions: { torch: record.torch, device: record.device_name ?? 'unknown', threads: record.threads },
  };
}
