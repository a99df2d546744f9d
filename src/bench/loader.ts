/** `bench loader --peer`: our image loader and Pillow's, each in a process of its own, taking turns over the same files. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import * as os from 'node:os';
import { join } from 'node:path';
import { describeMachine, type Machine } from '../engine/machine';
import { EarlybirdError } from '../errors';
import { orderOf, type Spread, spread } from '../measure';
import { packageRoot } from '../package';
import type { BenchLoaderRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { LoaderRecord } from './loader-run';
import { runProgram } from './peer';

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
  /** pillow: as torchvision loads images; draft: with scaled decoding. */
  peers: Record<string, LoaderSummary>;
  /** Images per second of one core, ours over the peer's, medians; null where there is no figure. packedPillow: our shards over Pillow's files. */
  ratios: { pillow: number | null; draft: number | null; packedPillow?: number | null; packedDraft?: number | null };
}

interface Entry {
  system: 'ours' | 'packed' | 'pillow' | 'draft';
  workers: number;
}

const PEERS = ['pillow', 'draft'] as const;

export async function benchLoader(recipe: BenchLoaderRecipe, options: RunOptions = {}): Promise<LoaderBench> {
  const { peer, packed, rounds, workers = os.availableParallelism() } = recipe;
  if (peer !== undefined && !existsSync(join(peer, 'peer_loader.py'))) {
    throw new EarlybirdError('ERR_USAGE', `--peer ${peer} holds no peer_loader.py: give the folder of the benchmark.`);
  }
  const runs = new Map<string, LoaderRecord[]>();
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const { system, workers: many } of orderOf(entriesOf(peer, packed, workers), round)) {
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
  return report(recipe, workers, await describeMachine(null, options.commandLine), (system) =>
    summaryOf(runs.get(system) ?? [], failures.get(system)),
  );
}

/** One worker each, side by side; then all cores. */
function entriesOf(peer: string | undefined, packed: string | undefined, workers: number): Entry[] {
  const own: Entry['system'][] = packed === undefined ? ['ours'] : ['ours', 'packed'];
  const others: Entry['system'][] = peer === undefined ? [] : [...PEERS];
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
  { peer, packed, data, passes, rounds }: BenchLoaderRecipe,
  workers: number,
  machine: Machine,
  summary: (system: Entry['system']) => LoaderSummary,
): LoaderBench {
  const ours = summary('ours');
  const shards = packed === undefined ? undefined : summary('packed');
  const peers: Record<string, LoaderSummary> =
    peer === undefined ? {} : { pillow: summary('pillow'), draft: summary('draft') };
  const over = (mine: LoaderSummary | undefined, mode: 'pillow' | 'draft') => {
    const [own, theirs] = [mine?.perCore, peers[mode]?.perCore];
    return own && theirs ? own.median / theirs.median : null;
  };
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
    ratios: {
      pillow: over(ours, 'pillow'),
      draft: over(ours, 'draft'),
      ...(shards ? { packedPillow: over(shards, 'pillow'), packedDraft: over(shards, 'draft') } : {}),
    },
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
  pillow: string;
}

async function runPeer(
  { peer, data, passes, python, timeout }: BenchLoaderRecipe,
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
    return {
      workers: processes,
      files: record.files,
      imagesPerSecond: record.images_per_s,
      perCore: record.images_per_s / processes,
      residentMib: null,
      bad: 0,
      versions: { pillow: record.pillow },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
