/** Runs the programs of the PyTorch peer, each in a process of its own. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { availableCores, type Cores } from '../cores';
import { type DeviceOptions, requestedDevice } from '../engine/device';
import { type Flags, flagWords, inTemporaryFolder, type ProgramLimits, runProgram } from '../engine/program';
import { EarlybirdError } from '../errors';
import { packageRoot, peersCommand } from '../package';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
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

/** A peer that `settlePeer` settled. */
type SettledPeer = PeerOptions & { timeout: number };

/** The output of a program of the peer. Throws ERR_USAGE where it fails. */
export function runPeerProgram(
  { peer, python = 'python3', timeout }: SettledPeer,
  program: string,
  words: readonly string[],
  { signal }: RunOptions,
  limits: Omit<ProgramLimits, 'timeout'> = {},
): Promise<string> {
  const name = `${python} ${program}`;
  const failed = (why: string) =>
    new EarlybirdError('ERR_USAGE', `${name} gave no figure: ${why}; --python names another Python.`);
  return runProgram(python, [join(peer!, program), ...words], { ...limits, name, timeout, signal, failed });
}

/** Runs a program of the peer, and reads the record that it writes. */
export function peerRecord<T>(
  recipe: SettledPeer,
  program: string,
  words: readonly string[],
  options: RunOptions,
  limits: Omit<ProgramLimits, 'timeout'> = {},
): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, 'record.json');
    await runPeerProgram(recipe, program, [...words, '--json', file], options, limits);
    return JSON.parse(await readFile(file, 'utf8')) as T;
  });
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

/**
 * Where and in what a program of the peer computes. PyTorch does not know the CPU quota of a container, in which too
 * many threads are slow: it gets one for each core of the quota.
 */
export function computingFlags(recipe: DeviceOptions, cores: Cores = availableCores()): Flags {
  const device = requestedDevice(recipe);
  const withinQuota = cores.quota !== null && process.env.OMP_NUM_THREADS === undefined ? cores.usable : undefined;
  return {
    dtype: recipe.precision === 'bf16' ? 'bf16' : 'fp32', // mode reference ignores it: it is always fp32
    device: device === 'auto' ? undefined : device,
    threads: recipe.threads ?? withinQuota,
  };
}

/** What and how the peer's training step is timed. */
export function stepFlags(
  recipe: DeviceOptions & Pick<BenchStepRecipe, 'model' | 'batchSize' | 'steps' | 'warmup'>,
  mode: string,
): Flags {
  const { model, batchSize: batch, steps, warmup } = recipe;
  return { model, mode, batch, steps, warmup, ...computingFlags(recipe) };
}

/** Times the peer's training step. `cfg`: a file with the widths of a pruned network. */
export async function runPeer(
  recipe: BenchStepRecipe,
  mode: string,
  options: RunOptions,
  cfg?: string,
): Promise<StepRecord> {
  const words = flagWords({ ...stepFlags(recipe, mode), compileMode: 'default', cfg });
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
