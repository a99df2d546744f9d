/** `bench loader`: our image loader and those of the peer, each in a process of its own, taking turns over the same files. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import * as os from 'node:os';
import { join } from 'node:path';
import { describeMachine, type Machine } from '../engine/machine';
import { EarlybirdError } from '../errors';
import { orderOf, type Spread, spread } from '../measure';
import { packageRoot, peersCommand } from '../package';
import type { BenchLoaderRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { LoaderRecord } from './loader-run';
import { runProgram, settlePeer } from './peer';

/** All runs of one program. */
export interface LoaderSummary {
  /** Images per second of one core: of the runs with one worker. */
  perCore: Spread | null;
  /** Images per second by the number of workers. */
  imagesPerSecond: Record<string, Spread | null>;
  /** Images per second of all workers over those of one; null where there is one core. */
  scaling: number | null;
  /** Resident memory after the first and after the last pass, MiB, medians of the runs with most workers. */
  residentMib: { first: number; last: number } | null;
  runs: LoaderRecord[];
  /** Why there is no figure. */
  failure?: string;
}

export interface LoaderBench {
  machine: Machine;
  date: string;
  data: string;
  files: number;
  workers: number;
  passes: number;
  rounds: number;
  ours: LoaderSummary;
  /** Ours on the shards of --packed. */
  packed?: LoaderSummary;
  /** By the peer's modes. */
  peers: Record<string, LoaderSummary>;
  /** Images per second of one core by the peer's modes, ours over the peer's, medians; null where there is no figure. */
  ratios: Record<string, number | null>;
  /** The same of our shards, over the peer's files. */
  packedRatios?: Record<string, number | null>;
}

interface Entry {
  system: string;
  workers: number;
}

export async function benchLoader(asked: BenchLoaderRecipe, options: RunOptions = {}): Promise<LoaderBench> {
  const recipe = settlePeer(asked, 'peer_loader.py', options.observer?.log);
  const { packed, rounds, workers = os.availableParallelism() } = recipe;
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const runs = new Map<string, LoaderRecord[]>();
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const { system, workers: many } of orderOf(entriesOf(modes, packed, workers), round)) {
      if (failures.has(system)) continue;
      const own = system === 'ours' || system === 'packed';
      try {
        const record = own
          ? await runOurs(recipe, system === 'ours' ? recipe.data : packed!, many, options)
          : await runPeer(recipe, system, many, options);
        runs.set(system, [...(runs.get(system) ?? []), record]);
        options.observer?.log?.(
          `round ${round + 1}/${rounds} ${system}, ${many} ${many === 1 ? 'worker' : 'workers'}: ${record.imagesPerSecond.toFixed(1)} images/s`,
        );
      } catch (error) {
        if (own || options.signal?.aborted) throw error;
        const { message } = error as EarlybirdError;
        failures.set(system, message);
        options.observer?.log?.(`${system}: ${message}`);
      }
    }
  }
  return report(recipe, modes, workers, await describeMachine(null, options.commandLine), (system) =>
    summaryOf(runs.get(system) ?? [], failures.get(system)),
  );
}

/** One worker each, side by side; then all cores. */
function entriesOf(others: readonly string[], packed: string | undefined, workers: number): Entry[] {
  const own = packed === undefined ? ['ours'] : ['ours', 'packed'];
  const single = [...own, ...others].map((system) => ({ system, workers: 1 }));
  if (workers === 1) return single;
  return [...single, ...[...own, ...others.slice(0, 1)].map((system) => ({ system, workers }))];
}

function summaryOf(runs: LoaderRecord[], failure: string | undefined): LoaderSummary {
  const counts = [...new Set(runs.map(({ workers }) => workers))].sort((a, b) => a - b);
  const of = (workers: number) => runs.filter((run) => run.workers === workers);
  const rates = counts.map((n) => [n, spread(of(n).map(({ imagesPerSecond }) => imagesPerSecond))] as const);
  const [first, last] = [rates[0]?.[1], rates.at(-1)?.[1]];
  const resident = of(counts.at(-1) ?? 1).flatMap(({ residentMib }) => residentMib ?? []);
  return {
    perCore: spread(of(1).map(({ perCore }) => perCore)),
    imagesPerSecond: Object.fromEntries(rates),
    scaling: first && last && rates.length > 1 ? last.median / first.median : null,
    residentMib:
      resident.length === 0
        ? null
        : {
            first: spread(resident.map(({ first }) => first))!.median,
            last: spread(resident.map(({ last }) => last))!.median,
          },
    runs,
    ...(failure === undefined ? {} : { failure }),
  };
}

function report(
  { packed, data, passes, rounds }: BenchLoaderRecipe,
  modes: readonly string[],
  workers: number,
  machine: Machine,
  summary: (system: string) => LoaderSummary,
): LoaderBench {
  const ours = summary('ours');
  const shards = packed === undefined ? undefined : summary('packed');
  const peers = Object.fromEntries(modes.map((mode) => [mode, summary(mode)]));
  const ratiosOf = ({ perCore: own }: LoaderSummary) =>
    Object.fromEntries(
      Object.entries(peers).map(([mode, { perCore }]) => [mode, own && perCore ? own.median / perCore.median : null]),
    );
  return {
    machine,
    date: new Date().toISOString().slice(0, 10),
    data,
    files: ours.runs[0]!.files,
    workers,
    passes,
    rounds,
    ours,
    ...(shards ? { packed: shards } : {}),
    peers,
    ratios: ratiosOf(ours),
    ...(shards ? { packedRatios: ratiosOf(shards) } : {}),
  };
}

/** In a process of its own, as the peer is, so that threads and memory are comparable. */
async function runOurs(
  recipe: BenchLoaderRecipe,
  data: string,
  workers: number,
  options: RunOptions,
): Promise<LoaderRecord> {
  const { passes, batchSize, imageSize, seed } = recipe;
  const flags = { data, workers, passes, 'batch-size': batchSize, 'image-size': imageSize, seed };
  const words = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const main = join(packageRoot, 'dist', 'cli', 'main.js');
  const output = await runProgram(
    process.execPath,
    [main, 'bench', 'loader', ...words, '--single', '--json', '--quiet'],
    recipe,
    options,
  );
  return JSON.parse(output) as LoaderRecord;
}

/** What the peer writes, as far as it is read here. */
interface PeerRecord {
  processes: number;
  files: number;
  images_per_s: number;
  images_per_s_per_core: number;
  version: string;
  /** Why the mode could not run, instead of figures. */
  absent?: string;
}

async function runPeer(
  { peer, data, passes, python = 'python3', timeout }: BenchLoaderRecipe,
  mode: string,
  processes: number,
  options: RunOptions,
): Promise<LoaderRecord> {
  const folder = await mkdtemp(join(os.tmpdir(), 'earlybird-bench-'));
  try {
    const file = join(folder, 'record.json');
    const flags = { mode, processes, passes, json: file };
    const words = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
    await runProgram(python, [join(peer!, 'peer_loader.py'), data, ...words], { timeout }, options);
    const record = JSON.parse(await readFile(file, 'utf8')) as PeerRecord;
    if (record.absent !== undefined)
      throw new EarlybirdError(
        'ERR_USAGE',
        `${mode} is not installed (${record.absent}): ${peersCommand()} says more.`,
      );
    return {
      workers: processes,
      files: record.files,
      imagesPerSecond: record.images_per_s,
      perCore: record.images_per_s_per_core,
      residentMib: null,
      bad: 0,
      versions: { [mode]: record.version },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
