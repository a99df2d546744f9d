/** `bench step --peer`: our training step and every mode of the PyTorch peer, each in a process of its own, taking turns. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EarlybirdError } from '../errors';
import { packageRoot } from '../native/libtorch';
import { leastOf, orderOf, runProgram, type Spread, spread } from './bench-runs';
import { cifarEpochSeconds, NETWORKS, type StepRecord, timeStep } from './bench-step';
import { openEngine, wishedDevice } from './device';
import { describeMachine, type Machine } from './machine';
import type { RunOptions } from './observer';
import type { BenchStepRecipe } from './recipe';

/** All runs of one program. */
export interface SystemSummary {
  runs: StepRecord[];
  /** Median, lowest and highest over the runs; null where none succeeded. */
  imagesPerSecond: Spread | null;
  residentMib: Spread | null;
  /** At 32 pixels: of a pass over CIFAR's 50,000 training images at the median rate. */
  cifarEpochSeconds?: number;
  /** Why there is no figure. */
  failure?: string;
}

export interface BenchResult {
  machine: Machine;
  date: string;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  systems: Record<string, SystemSummary>;
  /** Images per second of ours over those of the peer's mode, medians; null where the mode gave none. */
  ratios: Record<string, number | null>;
  /** The least of `ratios` but that of reference: over the best the peer can do. */
  best: number | null;
  /** Resident memory of ours over that of the peer's mode, medians. */
  memoryRatios: Record<string, number | null>;
}

const OURS = 'earlybird';

export async function bench(recipe: BenchStepRecipe, options: RunOptions = {}): Promise<BenchResult> {
  const { peer } = recipe;
  const modes: readonly string[] = peer === undefined ? [] : recipe.modes;
  checkPeer(peer);
  const runs = new Map<string, StepRecord[]>([OURS, ...modes].map((name) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round < recipe.rounds; round++) {
    const order = orderOf([...runs.keys()], round);
    for (const system of order) {
      if (failures.has(system)) continue;
      try {
        const record = await (system === OURS
          ? runOurs(recipe, modes.length > 0, options)
          : runPeer(recipe, system, options));
        runs.get(system)!.push(record);
        options.observer?.log?.(
          `round ${round + 1}/${recipe.rounds} ${system} ${record.dtype}: ${record.imagesPerSecond.toFixed(1)} images/s`,
        );
      } catch (error) {
        const { message } = error as EarlybirdError;
        if (system === OURS || options.signal?.aborted) throw error;
        failures.set(system, message);
        options.observer?.log?.(`${system}: ${message}`);
      }
    }
  }
  return summarise(recipe, await describeMachine(openEngine(recipe), options.commandLine), runs, failures);
}

function summarise(
  { model, batchSize, steps, rounds }: BenchStepRecipe,
  machine: Machine,
  runs: Map<string, StepRecord[]>,
  failures: Map<string, string>,
): BenchResult {
  const systems: Record<string, SystemSummary> = {};
  for (const [name, records] of runs) {
    const failure = failures.get(name);
    const rate = spread(records.map(({ imagesPerSecond }) => imagesPerSecond));
    systems[name] = {
      runs: records,
      imagesPerSecond: rate,
      ...(rate && NETWORKS[model].size === 32 ? { cifarEpochSeconds: cifarEpochSeconds(rate.median) } : {}),
      residentMib: spread(records.flatMap(({ residentMib }) => residentMib ?? [])),
      ...(failure === undefined ? {} : { failure }),
    };
  }
  const ours = systems[OURS]!;
  const over = (measure: 'imagesPerSecond' | 'residentMib') =>
    Object.fromEntries(
      Object.entries(systems)
        .filter(([name]) => name !== OURS)
        .map(([name, system]) => {
          const [mine, theirs] = [ours[measure], system[measure]];
          return [name, mine && theirs ? mine.median / theirs.median : null];
        }),
    );
  const ratios = over('imagesPerSecond');
  return {
    machine,
    date: new Date().toISOString().slice(0, 10),
    model,
    batchSize,
    steps,
    rounds,
    systems,
    ratios,
    best: leastOf(Object.entries(ratios).flatMap(([mode, ratio]) => (mode === 'reference' ? [] : [ratio]))),
    memoryRatios: over('residentMib'),
  };
}

/** Refuses a folder that does not hold the peer's training benchmark. */
export function checkPeer(peer: string | undefined): void {
  if (peer === undefined || existsSync(join(peer, 'peer_train.py'))) return;
  throw new EarlybirdError('ERR_USAGE', `--peer ${peer} holds no peer_train.py: give the folder of the benchmark.`);
}

/** Beside a peer, in a process of its own as the peer is, so that memory and threads are comparable. */
async function runOurs(recipe: BenchStepRecipe, apart: boolean, options: RunOptions): Promise<StepRecord> {
  if (!apart) return timeStep(recipe, options);
  return (await runApart<BenchResult>(recipe, options)).systems[OURS]!.runs[0]!;
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
    device: wishedDevice(recipe),
    rounds: 1,
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

/** What the peer writes, as far as it is read here (its README, "Reading a record"). */
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
  const { peer, model, batchSize, steps, warmup, threads, precision, python } = recipe;
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-bench-'));
  try {
    const file = join(folder, 'record.json');
    const device = wishedDevice(recipe);
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
