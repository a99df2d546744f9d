/** `bench loader`: our image loader and those of the peer take turns over the same files, each in its own process. */
import { resolve } from 'node:path';
import { availableCores } from '../cores';
import { shardsOf } from '../data/shards/layout';
import { runApart } from '../engine/apart';
import { describeMachine, type Machine } from '../engine/machine';
import { flagWords } from '../engine/program';
import { EarlybirdError } from '../errors';
import { ratioOf, type Spread, spread } from '../measure';
import { peersCommand } from '../package';
import type { BenchLoaderRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { LoaderRecord } from './loader-run';
import { peerRecord, settlePeer } from './peer';
import { OURS, type Runs, takeTurns } from './rounds';

/** All runs of one program. */
export interface LoaderSummary extends Runs<LoaderRecord> {
  /** Images per second of one core, from the runs with one worker. */
  perCore: Spread | null;
  /** Images per second by the number of workers. */
  imagesPerSecond: Record<string, Spread | null>;
  /** Images per second of all workers over those of one; null where there is one core. */
  scaling: number | null;
  /** Resident memory after the first and after the last pass, MiB, medians of the runs with most workers. */
  residentMib: { first: number; last: number } | null;
}

/** Images a second of our loader and of the peer's. */
export interface LoaderBench {
  machine: Machine;
  data: string;
  files: number;
  /** Images of a batch, and side of an image in pixels. */
  batchSize: number;
  imageSize: number;
  workers: number;
  passes: number;
  rounds: number;
  ours: LoaderSummary;
  /** Our loader on the shards of --packed. */
  packed?: LoaderSummary;
  /** Runs of the peer, by mode. */
  peers: Record<string, LoaderSummary>;
  /** Images per second of one core, ours over each mode of the peer, medians; null without a figure. */
  ratios: Record<string, number | null>;
  /** The same ratios for our loader on shards, over the peer on files. */
  packedRatios?: Record<string, number | null>;
  /** Our loader on the cache of --cached. */
  cached?: LoaderSummary;
  cachedRatios?: Record<string, number | null>;
  /** Images per second of one core, the cache over the shards. */
  cachedOverPacked?: number | null;
}

const PACKED = 'packed';
const CACHED = 'cached';
/** Side of the images that the peer makes, pixels. */
const PEER_SIZE = 224;

/** Throws ERR_USAGE where the peer would do other work than this program. */
async function refuseUnlike({ data, imageSize }: BenchLoaderRecipe): Promise<void> {
  if (imageSize !== PEER_SIZE)
    throw new EarlybirdError(
      'ERR_USAGE',
      `The peer makes images of ${PEER_SIZE} pixels: leave out --image-size ${imageSize}, or give --peer none.`,
    );
  for (const split of ['train', 'val'] as const)
    if ((await shardsOf(resolve(data), split)).length > 0)
      throw new EarlybirdError(
        'ERR_USAGE',
        `--data ${data} holds shards, which the peer does not read: give the folder of their JPEG files, and the shards as --packed; or give --peer none.`,
      );
}

/** Times the loading of JPEG files. Throws ERR_USAGE where the peer is missing, ERR_DATASET where images are. */
export async function benchLoader(asked: BenchLoaderRecipe, options: RunOptions = {}): Promise<LoaderBench> {
  const recipe = settlePeer(asked, 'peer_loader.py', options.observer?.log);
  const { data, packed, cached, passes, rounds, batchSize, imageSize, workers = availableCores().usable } = recipe;
  if (recipe.peer !== undefined) await refuseUnlike(recipe);
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const folders = { [OURS]: data, ...(packed && { [PACKED]: packed }), ...(cached && { [CACHED]: cached }) };
  const turns = (count: number, peers: readonly string[]) => [
    ...Object.entries(folders).map(([system, folder]) => ({
      system,
      text,
      run: () => runOurs(recipe, folder, count, options),
    })),
    ...peers.map((mode) => ({
      system: mode,
      text,
      run: () => runPeer(recipe, mode, count, options),
      isPeer: true,
    })),
  ];
  // First all programs run in turns with one worker, then some of them share the files among all cores.
  const onManyCores = workers > 1 ? turns(workers, modes.slice(0, 1)) : [];
  const runs = await takeTurns<LoaderRecord>([...turns(1, modes), ...onManyCores], rounds, options);
  const summaries = Object.fromEntries(Object.entries(runs).map(([name, result]) => [name, summaryOf(result)]));
  const { [OURS]: ours, [PACKED]: shards, [CACHED]: cache, ...peers } = summaries;
  const ratiosOf = ({ perCore }: LoaderSummary) =>
    Object.fromEntries(modes.map((mode) => [mode, ratioOf(perCore, peers[mode]!.perCore)]));
  return {
    machine: await describeMachine(null, options.commandLine),
    data,
    files: ours!.runs[0]!.files,
    ...{ batchSize, imageSize, workers, passes, rounds },
    ours: ours!,
    ...(shards && { packed: shards }),
    peers,
    ratios: ratiosOf(ours!),
    ...(shards && { packedRatios: ratiosOf(shards) }),
    ...(cache && { cached: cache, cachedRatios: ratiosOf(cache) }),
    ...(cache && shards && { cachedOverPacked: ratioOf(cache.perCore, shards.perCore) }),
  };
}

const text = ({ workers, imagesPerSecond }: LoaderRecord) =>
  `${workers} ${workers === 1 ? 'worker' : 'workers'}, ${imagesPerSecond.toFixed(1)} images/s`;

function summaryOf(result: Runs<LoaderRecord>): LoaderSummary {
  const { runs } = result;
  const counts = [...new Set(runs.map(({ workers }) => workers))].sort((a, b) => a - b);
  const of = (workers: number) => runs.filter((run) => run.workers === workers);
  const rates = counts.map((count) => spread(of(count).map(({ imagesPerSecond }) => imagesPerSecond)));
  const resident = of(counts.at(-1) ?? 1).flatMap(({ residentMib }) => residentMib ?? []);
  const [first, last] = [spread(resident.map(({ first }) => first)), spread(resident.map(({ last }) => last))];
  return {
    perCore: spread(of(1).map(({ perCore }) => perCore)),
    imagesPerSecond: Object.fromEntries(counts.map((count, i) => [count, rates[i]!])),
    scaling: rates.length > 1 ? ratioOf(rates.at(-1), rates[0]) : null,
    residentMib: first && last && { first: first.median, last: last.median },
    ...result,
  };
}

function runOurs(recipe: BenchLoaderRecipe, data: string, workers: number, options: RunOptions): Promise<LoaderRecord> {
  const { passes, batchSize, imageSize, seed } = recipe;
  const flags = { data, workers, passes, batchSize, imageSize, seed, single: true };
  return runApart<LoaderRecord>(['bench', 'loader'], flags, recipe, options);
}

/** Fields of the record of peer_loader.py that are read here. */
interface PeerRecord {
  processes: number;
  files: number;
  images_per_s: number;
  images_per_s_per_core: number;
  version: string;
  /** Reason why the mode could not run, given instead of figures. */
  absent?: string;
}

async function runPeer(
  recipe: BenchLoaderRecipe,
  mode: string,
  processes: number,
  options: RunOptions,
): Promise<LoaderRecord> {
  const { data, passes } = recipe;
  const words = [data, ...flagWords({ mode, processes, passes })];
  const record = await peerRecord<PeerRecord>(recipe, 'peer_loader.py', words, options);
  if (record.absent !== undefined)
    throw new EarlybirdError(
      'ERR_USAGE',
      `${mode} does not load (${record.absent}): ${peersCommand()} installs it where it can.`,
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
}
