/**
 * `bench energy`: what dense training, lottery tickets, network slimming and EB Train reach and take, at several ratios and seeds.
 * Each row is a run of its own under --save: a finished one is not run again, an interrupted one goes on.
 */
import { join } from 'node:path';
import { openEngine } from '../engine/device';
import { engineProvenance } from '../engine/provenance';
import { EarlybirdError, type ErrorCode } from '../errors';
import { pruneOnce } from '../prune/prune';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { ebTrain } from '../train/eb-train';
import { retrain } from '../train/retrain';
import { checkIdentities, type RowResult, readRow } from './row-results';
import {
  cutIdentity,
  cutRecipe,
  denseRecipe,
  type EnergyRow,
  earlyBirdRecipe,
  METHODS,
  nameOf,
  rowsOf,
  ticketRecipe,
} from './rows';
import { refuseMixedMachines } from './same-machine';
import { benchOf, type EnergyBench } from './summary';
import { drawFigure, writeTables } from './tables';

export interface EnergyBenchResult extends EnergyBench {
  /** Tables and figures. */
  files: string[];
}

/** Throws ERR_RECIPE where the folder holds rows of another recipe or machine. */
export async function benchEnergy(recipe: BenchEnergyRecipe, options: RunOptions = {}): Promise<EnergyBenchResult> {
  const { observer, signal } = options;
  const rows = rowsOf(recipe);
  const failures = new Map<EnergyRow, EarlybirdError>();
  const dense = new DenseTrainings(recipe, options);
  if (!options.force) await checkRows(recipe, rows);
  for (const [i, row] of rows.entries()) {
    signal?.throwIfAborted();
    observer?.log?.(`row ${i + 1} of ${rows.length}: ${nameOf(row)}`);
    try {
      await runRow(recipe, row, dense, options);
    } catch (error) {
      if (!isOwnFailure(error)) throw error;
      failures.set(row, error);
      observer?.log?.(`${nameOf(row)}: ${error.message}`);
    }
    // After every row: an interrupted comparison has tables of what is done. With --force the others are of an earlier one.
    const there = options.force ? rows.slice(0, i + 1) : rows;
    const bench = benchOf(recipe, await readRows(recipe, there, failures));
    if (bench) await writeTables(recipe.save, bench);
  }
  const bench = benchOf(recipe, await readRows(recipe, rows, failures));
  if (!bench) {
    const [{ code, message } = new EarlybirdError('ERR_INTERNAL', 'no reason is known.')] = failures.values();
    throw new EarlybirdError(code, `No row could be finished: ${message}`);
  }
  const tables = await writeTables(recipe.save, bench);
  const { figures, notes } = await drawFigure(recipe.save, bench);
  for (const note of notes) observer?.log?.(note);
  return { ...bench, files: [...tables, ...figures] };
}

/** Before hours are spent: what is there is of this recipe and was made here, unless all of it is finished and only the tables are due. */
async function checkRows(recipe: BenchEnergyRecipe, rows: readonly EnergyRow[]): Promise<void> {
  await checkIdentities(recipe, rows);
  const read = await readRows(recipe, rows);
  const stages = read.flatMap((row) => row.stages);
  if (read.every(({ state }) => state === 'finished')) return refuseMixedMachines(stages);
  refuseMixedMachines([...stages, { folder: 'what is left', machine: engineProvenance(openEngine(recipe)) }]);
}

/** What says that a row has no result, and nothing of the others: no ticket emerged, or training diverged. */
const OWN_FAILURES: ErrorCode[] = ['ERR_PRUNE', 'ERR_NUMERIC'];
const isOwnFailure = (error: unknown): error is EarlybirdError => OWN_FAILURES.includes((error as EarlybirdError).code);

/** The dense training of a seed, which several rows begin with: run once here, also if it fails, and counted in each of them. */
class DenseTrainings {
  /** By seed: what it failed with, null where it is done. */
  private readonly done = new Map<number, EarlybirdError | null>();

  constructor(
    private readonly recipe: BenchEnergyRecipe,
    private readonly options: RunOptions,
  ) {}

  async run(seed: number): Promise<void> {
    const before = this.done.get(seed);
    if (before) throw before;
    if (before === null) return;
    try {
      await retrain(denseRecipe(this.recipe, seed), this.options);
      this.done.set(seed, null);
    } catch (error) {
      if (isOwnFailure(error)) this.done.set(seed, error);
      throw error;
    }
  }
}

async function runRow(
  recipe: BenchEnergyRecipe,
  row: EnergyRow,
  dense: DenseTrainings,
  options: RunOptions,
): Promise<void> {
  const { kind } = METHODS[row.method];
  if (kind === 'early-bird') {
    await ebTrain(earlyBirdRecipe(recipe, row), options);
    return;
  }
  await dense.run(row.seed);
  if (kind === 'after-dense') await cutAndRetrain(recipe, row, options);
}

async function cutAndRetrain(recipe: BenchEnergyRecipe, row: EnergyRow, options: RunOptions): Promise<void> {
  const identity = cutIdentity(recipe, row);
  const { directory, state } = await RunDirectory.open(row.folder, identity, options);
  if (state === 'finished') return;
  await directory.writeJson('params.json', { command: 'bench energy', identity, recipe, seed: row.seed });
  // Without a checkpoint of the retraining the ticket may be one of another recipe.
  const begun = await RunDirectory.at(join(row.folder, 'retrain')).readJson('params.json');
  const cut = await pruneOnce(cutRecipe(recipe, row), { ...options, force: options.force || begun === null });
  await retrain(ticketRecipe(recipe, row, cut.ticket), options);
  await directory.writeJson('result.json', cut);
}

/** All that is on disk. */
export function readRows(
  recipe: BenchEnergyRecipe,
  rows: readonly EnergyRow[],
  failures: ReadonlyMap<EnergyRow, EarlybirdError> = new Map(),
): Promise<RowResult[]> {
  return Promise.all(
    rows.map(async (row): Promise<RowResult> => {
      const result = await readRow(recipe.save, row);
      const failure = failures.get(row);
      return failure ? { ...result, state: 'failed', failure: failure.message } : result;
    }),
  );
}
