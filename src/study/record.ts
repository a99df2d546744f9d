/** Contents of study.json, and the reading of a run from its folder. */
import { join } from 'node:path';
import { readCheckpoint } from '../checkpoint/read';
import { type MachineRecord, machineOf } from '../cost/same-machine';
import { knownDataset } from '../data/known';
import type { Provenance } from '../engine/provenance';
import { EarlybirdError } from '../errors';
import type { MultiplyAdds } from '../network/bit-operations';
import { trainingFlops } from '../network/training-flops';
import type { PruneReport } from '../prune/report';
import { checkpointNetwork } from '../run/checkpoint-network';
import { RunDirectory } from '../run/directory';
import type { EpochMetrics } from '../run/metrics';
import { ratioKey } from '../run/names';
import { type RunResult, secondsOf } from '../run/result';
import { signalsOf } from '../ticket/watch';
import { arithmeticOver } from '../train/precision/follow';
import type { SearchFacts } from './draws';
import type { Entry, MissingDraw } from './plan';

/** The dense search of a seed. */
export interface SearchRecord {
  seed: number;
  epochs: number;
  /** Exact test top-1 of the last epoch, percent. */
  top1Last: number | null;
  /** Exact test top-1 of the best epoch, percent. */
  top1Best: number | null;
  /** Number of completed epochs at the best one. */
  bestEpoch: number;
  classes: number;
  /** Forward FLOPs of one image. */
  forward: number;
  /** Number of training images of an epoch. */
  images: number;
  /** Multiply-adds of a forward pass of one image; absent where a version did not count them. */
  adds?: MultiplyAdds;
  /** 1e9 bit operations of each epoch; absent where a version did not count them. */
  gbitops?: number[];
  /** Seconds of training and evaluation. */
  seconds: number;
  /** Facts by ratio in percent. */
  ratios: Record<string, SearchAtRatio>;
  machine: MachineRecord;
  dataset: Provenance['dataset'];
}

export interface SearchAtRatio {
  /** Number of epochs after which the ticket emerged; null where none did. */
  emergence: number | null;
  /** Largest distance in the window before each epoch, by epoch index; null while the window fills. */
  distances: (number | null)[];
}

/** A retrained ticket or control. */
export interface RunRecord extends Omit<Entry, 'folder'> {
  state: 'finished' | 'failed' | 'left';
  failure?: string;
  /** Figures; null unless the run is finished. */
  result: RunFigures | null;
}

export interface FailedSearch {
  seed: number;
  failure: string;
}

/** The parts of a study. */
export interface Parts {
  searches: SearchRecord[];
  failedSearches: FailedSearch[];
  runs: RunRecord[];
  /** Draws that a search does not have. */
  missing: MissingDraw[];
}

export interface RunFigures {
  /** Number of channels that the ticket keeps. */
  kept: number;
  /** Number of channels of the dense network. */
  channels: number;
  parameters: number;
  /** Forward FLOPs of one image in the ticket. */
  forward: number;
  /** Exact test top-1 after the last epoch, percent. */
  top1: number;
  /** Exact test top-1 after the best epoch, percent. */
  top1Best: number;
  /** Exact test top-1 after each epoch of the retraining. */
  curve: number[];
  /** Training FLOPs of the search, as far as the mask and the weights need it, and of the retraining. */
  flops: { search: number; retrain: number };
  /** 1e9 bit operations of both; absent where a version did not count them. */
  gbitops?: { search: number; retrain: number };
  seconds: number;
  /** True where the ticket is no better than chance (docs/study.md#failures). */
  collapsed: boolean;
  /** Machine of the retraining; absent where a version did not record it. */
  machine?: MachineRecord;
}

/** Reads the search of a run; null where it is not finished. */
export async function readSearch(folder: string, seed: number): Promise<SearchRecord | null> {
  const directory = RunDirectory.at(folder);
  const result = await directory.readJson<RunResult>('result.json');
  const params = await directory.readJson<Provenance>('params.json');
  if (!result || !params) return null;
  const metrics = await directory.readMetrics();
  const best = metrics.reduce((a, b) => (b.test.top1 > a.test.top1 ? b : a), metrics[0]!);
  const keys = Object.keys(metrics[0]?.distances ?? {});
  const ratios = keys.map((key): [string, SearchAtRatio] => [
    key,
    {
      emergence: result.tickets[key]?.completed ?? null,
      distances: metrics.map((line) => signalsOf(line)[key] ?? null),
    },
  ]);
  return {
    seed,
    epochs: result.completed,
    top1Last: result.top1Last,
    top1Best: result.top1Best,
    bestEpoch: best.completed,
    classes: await classesOf(directory, params.dataset),
    forward: result.flops,
    images: params.dataset.train,
    ...(result.multiplyAdds ? { adds: result.multiplyAdds } : {}),
    ...countedIn(metrics),
    seconds: secondsOf(metrics),
    ratios: Object.fromEntries(ratios),
    machine: machineOf(params),
    dataset: params.dataset,
  };
}

/** Facts of a search at a ratio; a search that ran before the ratio was added has none. */
export function factsOf({ ratios, bestEpoch }: SearchRecord, ratio: number): SearchFacts {
  const own = ratios[ratioKey(ratio)];
  return { followed: own !== undefined, emergence: own?.emergence ?? null, best: bestEpoch };
}

/** 1e9 bit operations of each epoch; absent where one was not counted. */
function countedIn(metrics: readonly EpochMetrics[]): { gbitops?: number[] } {
  const gbitops = metrics.flatMap(({ arithmetic }) => arithmetic?.gbitops ?? []);
  return gbitops.length === metrics.length ? { gbitops } : {};
}

/** Number of classes of the network, where the name of the data set does not fix it. */
async function classesOf(directory: RunDirectory, { name }: Provenance['dataset']): Promise<number> {
  const known = name === 'imagenet' ? undefined : knownDataset(name)?.classes;
  if (known !== undefined) return known;
  const file = directory.file('init.pth.tar');
  return checkpointNetwork((await readCheckpoint(file)).value, file).classes ?? Number.NaN;
}

/** Reads the figures of an entry; null where it is not finished. */
export async function readFigures(entry: Entry, search: SearchRecord): Promise<RunFigures | null> {
  const cut = await RunDirectory.at(entry.folder).readJson<PruneReport>('result.json');
  if (!cut) return null;
  const directory = RunDirectory.at(join(entry.folder, 'retrain'));
  const result = await directory.readJson<RunResult>('result.json');
  const metrics = await directory.readMetrics();
  const params = await directory.readJson<Provenance>('params.json');
  if (!result || result.top1Last === null || !params) return null;
  if (params.dataset.fingerprint !== search.dataset.fingerprint)
    throw new EarlybirdError(
      'ERR_DATASET',
      `${entry.folder} was run on other images than the search of its seed: give --force to start over.`,
    );
  const bad = sum(metrics.map((line) => line.bad ?? 0));
  const images = metrics.length * search.images - bad;
  const searched = searchEpochs(entry, search.epochs);
  const retrained = arithmeticOver(metrics);
  const gbitops = search.gbitops &&
    retrained && { search: sum(search.gbitops.slice(0, searched)), retrain: retrained.gbitops };
  return {
    kept: sum(cut.layers.map(({ kept }) => kept)),
    channels: cut.channels,
    parameters: result.parameters,
    forward: result.flops,
    top1: result.top1Last,
    top1Best: result.top1Best!,
    curve: metrics.map(({ test }) => test.top1),
    flops: {
      search: trainingFlops([{ forward: search.forward, images: searched * search.images }], 'exact'),
      retrain: trainingFlops([{ forward: result.flops, images }], 'exact'),
    },
    ...(gbitops ? { gbitops } : {}),
    seconds: secondsOf(metrics),
    collapsed: isCollapsed(result.top1Last, search.classes, search.dataset.test),
    machine: machineOf(params),
  };
}

const sum = (list: readonly number[]) => list.reduce((all, value) => all + value, 0);

/** Number of epochs of the dense network that a run needs, for the weights of its draw or the mask of the end. */
function searchEpochs({ epoch, control }: Pick<Entry, 'epoch' | 'control'>, epochs: number): number {
  return control === 'late' ? epochs : epoch;
}

/**
 * True where the accuracy is within what guessing gives in 999 of 1000 cases on that number of images (normal
 * approximation, 3.09 deviations).
 */
export function isCollapsed(top1: number, classes: number, images: number): boolean {
  const chance = 1 / classes;
  return top1 <= 100 * (chance + 3.09 * Math.sqrt((chance * (1 - chance)) / images));
}
