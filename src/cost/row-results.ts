/** Rows of `bench energy` read back from their folders: what each training in them took. */
import { basename, join } from 'node:path';
import { type EnergyFile, readEnergy } from '../energy/file';
import { isEstimated, measuredWays, minus, sameWays, settled, waysText } from '../energy/totals';
import type { Provenance } from '../engine/provenance';
import type { PruneReport } from '../prune/report';
import { identityOf } from '../recipe/identity';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { RunDirectory } from '../run/directory';
import { type RunResult, secondsOf } from '../run/result';
import type { TrainResult } from '../train/eb-train';
import { denseFolder, denseRecipe, type EnergyRow, identityOfRow, METHODS } from './rows';
import { type MachineRecord, machineOf } from './same-machine';
import { flopsOf } from './training-flops';

/** Joules, or why there are none. `ways`: what they are of, sorted; given watts are `estimated` instead. */
export type Energy = { estimated: boolean; ways: string[] } & (
  | { joules: number; reason?: undefined; note?: string }
  | { joules: null; reason: string; note?: undefined }
);

const unknown = (reason: string): Energy => ({ joules: null, estimated: false, ways: [], reason });

/** One training of a row. */
export interface Stage {
  name: 'dense' | 'search' | 'retrain';
  folder: string;
  finished: boolean;
  epochs: number;
  /** Training images that went through the network. */
  images: number;
  /** Forward FLOPs of one image; null until it is finished. */
  forward: number | null;
  /** Training and evaluation. */
  seconds: number;
  energy: Energy;
  machine: MachineRecord;
  dataset: Provenance['dataset'];
  top1Last: number | null;
  top1Best: number | null;
}

export interface RowResult extends EnergyRow {
  /** failed: no ticket, or training diverged; `failure` says which. */
  state: 'finished' | 'interrupted' | 'new' | 'failed';
  failure?: string;
  stages: Stage[];
  /** Exact test top-1 of the last epoch, and of the best one (chosen on the test set), percent. */
  top1Last: number | null;
  top1Best: number | null;
  /** Epochs after which an Early-Bird ticket was drawn. */
  drawn: number | null;
  seconds: number | null;
  /** Of all trainings and, where it was metered, of pruning. */
  energy: Energy;
  /** By the paper's rule null where a network is too small for it. */
  flops: { paper: number | null; exact: number } | null;
}

/** The first folder that metered the phase tells. */
async function energyOf(folders: readonly string[], phase: string, epochs: number): Promise<Energy> {
  const files = await Promise.all(folders.map(readEnergy));
  const file = files.find((candidate) => candidate?.phases[phase] !== undefined);
  if (!file) return unknown('the runs were not metered');
  return phaseEnergy(file, phase, epochs);
}

/** Without `load`: some methods open the data once, others twice, which is no property of theirs. */
export function phaseEnergy({ sources, phases }: EnergyFile, phase: string, epochs: number): Energy {
  const metered = phases[`${phase}/train`]?.windows;
  if (metered !== undefined && metered < epochs) return unknown(`only ${metered} of ${epochs} epochs were metered`);
  const total = settled(minus(phases[phase]!, phases[`${phase}/load`]));
  const { joules, reason: own } = total;
  const of = { estimated: isEstimated(total), ways: measuredWays(total) };
  if (joules !== null) return { joules, ...of };
  const reasons = sources.flatMap(({ reason }) => reason ?? []);
  return { joules: null, ...of, reason: own ?? (reasons.join('; ') || 'a window could not be read') };
}

/** Throws ERR_RECIPE where a folder holds what these rows are not made of. */
export async function checkIdentities(recipe: BenchEnergyRecipe, rows: readonly EnergyRow[]): Promise<void> {
  for (const row of rows) {
    await RunDirectory.check(row.folder, identityOfRow(recipe, row));
    if (METHODS[row.method].kind !== 'after-dense') continue;
    const dense = denseRecipe(recipe, row.seed);
    await RunDirectory.check(dense.save, identityOf('retrain', dense));
  }
}

/** null where nothing was begun there. */
async function readStage(name: Stage['name'], folder: string): Promise<Stage | null> {
  const run = RunDirectory.at(folder);
  const params = await run.readJson<Provenance>('params.json');
  if (!params) return null;
  const [result, metrics] = [await run.readJson<RunResult>('result.json'), await run.readMetrics()];
  const bad = metrics.reduce((sum, line) => sum + (line.bad ?? 0), 0);
  const phase = name === 'search' ? 'search' : 'retrain';
  return {
    name,
    folder,
    finished: result !== null,
    epochs: metrics.length,
    images: metrics.length * params.dataset.train - bad,
    forward: result?.flops ?? null,
    seconds: secondsOf(metrics),
    energy: await energyOf([folder, join(folder, '..')], phase, metrics.length),
    machine: machineOf(params),
    dataset: params.dataset,
    top1Last: result?.top1Last ?? null,
    top1Best: result?.top1Best ?? null,
  };
}

/** All there is of a row, finished or not. */
export async function readRow(save: string, row: EnergyRow): Promise<RowResult> {
  const { kind } = METHODS[row.method];
  const { stages, pruned, finished, drawn } = await parts(save, row, kind);
  const begun = stages.filter((stage) => stage !== null);
  // A dense training that other rows share is no beginning of this one.
  const own = begun.filter(({ name }) => kind === 'dense' || name !== 'dense');
  const nothing = {
    top1Last: null,
    top1Best: null,
    drawn: null,
    seconds: null,
    energy: unknown('not finished'),
    flops: null,
  };
  if (!finished) return { ...row, state: own.length > 0 ? 'interrupted' : 'new', stages: begun, ...nothing };
  const last = begun.at(-1)!;
  const stretches = begun.map(({ forward, images }) => ({ forward: forward!, images }));
  const pruning = pruned === null ? null : await energyOf([pruned, row.folder], 'prune', 0);
  return {
    ...row,
    state: 'finished',
    stages: begun,
    top1Last: last.top1Last,
    top1Best: last.top1Best,
    drawn,
    seconds: begun.reduce((sum, { seconds }) => sum + seconds, 0),
    energy: sumOf(
      begun.map(({ energy }) => energy),
      pruning,
    ),
    flops: flopsOf(stretches),
  };
}

interface Parts {
  stages: (Stage | null)[];
  /** Folder of the ticket. */
  pruned: string | null;
  finished: boolean;
  drawn: number | null;
}

async function parts(save: string, { folder, seed }: EnergyRow, kind: string): Promise<Parts> {
  if (kind === 'early-bird') {
    const result = await RunDirectory.at(folder).readJson<TrainResult>('result.json');
    const search = await readStage('search', join(folder, 'search'));
    if (!result) return { stages: [search], pruned: null, finished: false, drawn: null };
    // The paths it had may be spelt differently now.
    const retrain = await readStage('retrain', join(folder, basename(result.retrain.directory)));
    const pruned = join(folder, basename(join(result.prune.ticket, '..')));
    return { stages: [search, retrain], pruned, finished: true, drawn: result.ticket.completed };
  }
  const dense = await readStage('dense', denseFolder(save, seed));
  if (kind === 'dense') return { stages: [dense], pruned: null, finished: dense?.finished === true, drawn: null };
  const done = await RunDirectory.at(folder).readJson<PruneReport>('result.json');
  const retrain = await readStage('retrain', join(folder, 'retrain'));
  return { stages: [dense, retrain], pruned: join(folder, 'pruned'), finished: done !== null, drawn: null };
}

/** Pruning takes a second: where there is no figure of it, the trainings stand for the row, and a note says so. */
function sumOf(energies: readonly Energy[], pruning: Energy | null): Energy {
  const estimated = energies.some((energy) => energy.estimated);
  const ways = energies.find((energy) => energy.ways.length > 0)?.ways ?? [];
  const missing = energies.find(({ joules }) => joules === null);
  if (missing) return { ...missing, estimated };
  const other = energies.find((energy) => !sameWays(energy.ways, ways));
  if (other) return { ...unknown(differText(ways, other.ways)), estimated };
  const why = pruning && (pruning.reason ?? (sameWays(pruning.ways, ways) ? null : differText(ways, pruning.ways)));
  const joules = energies.reduce((sum, energy) => sum + energy.joules!, why ? 0 : (pruning?.joules ?? 0));
  return { joules, estimated, ways, ...(why ? { note: `without pruning: ${why}` } : {}) };
}

/** Why figures of two kinds are neither added nor compared. */
export const differText = (a: readonly string[], b: readonly string[]) =>
  `not the same parts were read everywhere: ${waysText(a)}, and ${waysText(b)}`;
