/** Reads rows of `bench energy` back from their folders. */
import { basename, join } from 'node:path';
import { readEnergy } from '../energy/file';
import { isEstimated, measuredWays, minus, sameWays, settled, waysText } from '../energy/totals';
import type { Provenance } from '../engine/provenance';
import type { MultiplyAdds } from '../network/bit-operations';
import { flopsOf } from '../network/training-flops';
import type { PruneReport } from '../prune/report';
import { identityOf } from '../recipe/identity';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { RunDirectory } from '../run/directory';
import type { ArithmeticCosts } from '../run/metrics';
import { type RunResult, secondsOf } from '../run/result';
import type { TrainResult } from '../train/eb-train';
import { arithmeticOver, arithmeticSum } from '../train/precision/follow';
import {
  cutFolder,
  denseFolder,
  denseRecipe,
  type EnergyRow,
  identityOfRow,
  METHODS,
  type StageKind,
  softRecipe,
  stagesOf,
} from './rows';
import { type MachineRecord, machineOf } from './same-machine';

export interface Energy {
  joules: number | null;
  /** True where the joules are from given watts, at least in part. */
  estimated: boolean;
  /** Parts that were read and the method of reading, sorted: "gpu counter". */
  ways: string[];
  /** Reason why there are no joules. */
  reason?: string;
  /** Parts that the joules leave out. */
  note?: string;
}

const unknown = (reason: string): Energy => ({ joules: null, estimated: false, ways: [], reason });

/** One training of a row. */
interface Stage extends StageKind {
  folder: string;
  finished: boolean;
  epochs: number;
  /** Number of training images that went through the network. */
  images: number;
  /** Forward FLOPs of one image; null until it is finished. */
  forward: number | null;
  /** Multiply-adds; null also for a run of a version that did not count them. */
  adds: MultiplyAdds | null;
  /** Seconds of training and evaluation. */
  seconds: number;
  /** Arithmetic of its epochs by counting; null where an epoch was not counted. */
  arithmetic: ArithmeticCosts | null;
  energy: Energy;
  machine: MachineRecord;
  dataset: Provenance['dataset'];
  top1Last: number | null;
  top1Best: number | null;
}

export interface RowResult extends EnergyRow {
  /** State of the row; failed means that no ticket emerged or training diverged. */
  state: 'finished' | 'interrupted' | 'new' | 'failed';
  /** Reason of a failed row. */
  failure?: string;
  stages: Stage[];
  /** Exact test top-1 of the last epoch, percent. */
  top1Last: number | null;
  /** Exact test top-1 of the best epoch, which is chosen on the test set, percent. */
  top1Best: number | null;
  /** Number of epochs after which an Early-Bird ticket was drawn. */
  drawn: number | null;
  seconds: number | null;
  /** Energy of all trainings and, where it was metered, of pruning. */
  energy: Energy;
  /** FLOPs of all trainings; `paper` is null where a network is too small for that rule. */
  flops: { paper: number | null; exact: number } | null;
  /** Arithmetic of all trainings; null also where a run is of a version that did not count it. */
  arithmetic: ArithmeticCosts | null;
}

/** Throws ERR_RECIPE where a folder holds a run of another recipe. */
export async function checkIdentities(recipe: BenchEnergyRecipe, rows: readonly EnergyRow[]): Promise<void> {
  for (const row of rows) {
    await RunDirectory.check(row.folder, identityOfRow(recipe, row));
    const { cut } = METHODS[row.method];
    if (!cut) continue;
    const first = cut.of === 'soft' ? softRecipe(recipe, row) : denseRecipe(recipe, row.seed);
    await RunDirectory.check(first.save, identityOf('retrain', first));
  }
}

export async function readRow(save: string, row: EnergyRow): Promise<RowResult> {
  const kinds = stagesOf(row);
  const { drawn = null, ...folders } = await foldersOf(save, row);
  const read = kinds.map((kind, i) => (folders.stages[i] === undefined ? null : readStage(kind, folders.stages[i])));
  const stages = (await Promise.all(read)).filter((stage) => stage !== null);
  if (!(folders.finished ?? stages[0]?.finished)) {
    // The dense training is shared with other rows, so it alone does not make a ticket's row a begun one.
    const begun = stages.some(({ name }) => name !== 'dense' || kinds.length === 1);
    const nothing = { top1Last: null, top1Best: null, drawn: null, seconds: null, flops: null, arithmetic: null };
    return { ...row, state: begun ? 'interrupted' : 'new', stages, ...nothing, energy: unknown('not finished') };
  }
  const { top1Last, top1Best } = stages.at(-1)!;
  const pruning = folders.pruned ? await energyOf([folders.pruned, row.folder], 'prune', 0) : null;
  return {
    ...row,
    state: 'finished',
    stages,
    ...{ top1Last, top1Best, drawn },
    seconds: stages.reduce((sum, { seconds }) => sum + seconds, 0),
    energy: sumOf(
      stages.map(({ energy }) => energy),
      pruning,
    ),
    flops: flopsOf(stages.map(({ forward, images }) => ({ forward: forward!, images }))),
    arithmetic: arithmeticSum(stages.map(({ arithmetic }) => arithmetic)),
  };
}

interface Folders {
  /** Folders of the trainings, as far as they are known. */
  stages: string[];
  /** Folder of the ticket. */
  pruned?: string;
  /** True where the row has a result; when undefined, the result of its only training decides. */
  finished?: boolean;
  drawn?: number;
}

async function foldersOf(save: string, row: EnergyRow): Promise<Folders> {
  const { method, folder, seed } = row;
  const { cut, earlyBird } = METHODS[method];
  if (!cut && !earlyBird) return { stages: [denseFolder(save, seed)] };
  const run = RunDirectory.at(folder);
  if (cut) {
    const finished = (await run.readJson<PruneReport>('result.json')) !== null;
    const retraining = join(folder, 'retrain');
    const stages = cut.of === 'init' ? [retraining] : [cutFolder(save, row), retraining];
    return { stages, pruned: join(folder, 'pruned'), finished };
  }
  const search = join(folder, 'search');
  const result = await run.readJson<TrainResult>('result.json');
  if (!result) return { stages: [search], finished: false };
  // Only the names of the folders are used, as the comparison may have been moved.
  return {
    stages: [search, join(folder, basename(result.retrain.directory))],
    pruned: join(folder, basename(join(result.prune.ticket, '..'))),
    finished: true,
    drawn: result.ticket.completed,
  };
}

/** Reads a training; null where it was not begun. */
async function readStage(kind: StageKind, folder: string): Promise<Stage | null> {
  const run = RunDirectory.at(folder);
  const params = await run.readJson<Provenance>('params.json');
  if (!params) return null;
  const [result, metrics] = [await run.readJson<RunResult>('result.json'), await run.readMetrics()];
  const bad = metrics.reduce((sum, line) => sum + (line.bad ?? 0), 0);
  const phase = kind.name === 'search' ? 'search' : 'retrain';
  return {
    ...kind,
    folder,
    finished: result !== null,
    epochs: metrics.length,
    images: metrics.length * params.dataset.train - bad,
    forward: result?.flops ?? null,
    adds: result?.multiplyAdds ?? null,
    seconds: secondsOf(metrics),
    arithmetic: arithmeticOver(metrics),
    energy: await energyOf([folder, join(folder, '..')], phase, metrics.length),
    machine: machineOf(params),
    dataset: params.dataset,
    top1Last: result?.top1Last ?? null,
    top1Best: result?.top1Best ?? null,
  };
}

/**
 * The energy of a phase from the first folder that metered it, without the loading of data, which some methods do once
 * and others twice; that is no property of the method.
 */
async function energyOf(folders: readonly string[], phase: string, epochs: number): Promise<Energy> {
  const files = await Promise.all(folders.map(readEnergy));
  const file = files.find((candidate) => candidate?.phases[phase] !== undefined);
  if (!file) return unknown('the runs were not metered');
  const { sources, phases } = file;
  const metered = phases[`${phase}/train`]?.windows;
  if (metered !== undefined && metered < epochs) return unknown(`only ${metered} of ${epochs} epochs were metered`);
  const total = settled(minus(phases[phase]!, phases[`${phase}/load`]));
  const energy = { joules: total.joules, estimated: isEstimated(total), ways: measuredWays(total) };
  if (energy.joules !== null) return energy;
  const reasons = sources.flatMap(({ reason }) => reason ?? []);
  return { ...energy, reason: total.reason ?? (reasons.join('; ') || 'a window could not be read') };
}

/** The sources that energies have in common, with the reason where they cannot be added or compared. */
export function inCommon(energies: readonly Energy[]): { estimated: boolean; ways: string[]; reason: string | null } {
  const ways = energies.find((energy) => energy.ways.length > 0)?.ways ?? [];
  const missing = energies.find(({ joules }) => joules === null);
  const other = energies.find((energy) => !sameWays(energy.ways, ways));
  const differ = other ? differText(ways, other.ways) : null;
  return { estimated: energies.some(({ estimated }) => estimated), ways, reason: missing?.reason ?? differ };
}

/**
 * Sums the energies of the trainings and of pruning. Pruning takes a second, so without its figure the trainings stand
 * for the row, and a note says so.
 */
function sumOf(energies: readonly Energy[], pruning: Energy | null): Energy {
  const { reason, ...common } = inCommon(energies);
  if (reason !== null) return { joules: null, ...common, reason };
  const why = pruning && inCommon([...energies, pruning]).reason;
  const joules = [...(pruning && !why ? [pruning] : []), ...energies].reduce((sum, energy) => sum + energy.joules!, 0);
  return { joules, ...common, ...(why ? { note: `without pruning: ${why}` } : {}) };
}

const differText = (a: readonly string[], b: readonly string[]) =>
  `not the same parts were read everywhere: ${waysText(a)}, and ${waysText(b)}`;
