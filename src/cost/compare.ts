/**
 * `bench energy`: accuracy and costs of dense training, lottery tickets, network slimming and EB Train. Each row is a
 * run of its own under --save: a finished run is not repeated, an interrupted one is continued.
 */
import { openEngine } from '../engine/device';
import { engineProvenance } from '../engine/provenance';
import { EarlybirdError, type ErrorCode } from '../errors';
import { lockFolder } from '../lock';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { ebTrain } from '../train/eb-train';
import { retrain } from '../train/retrain';
import { cutAndRetrain } from './cut-and-retrain';
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
  softRecipe,
  ticketRecipe,
} from './rows';
import { refuseMixedMachines } from './same-machine';
import { benchOf, type EnergyBench } from './summary';
import { drawFigure, writeTables } from './tables';

/** A comparison of methods, with the files written. */
export interface EnergyBenchResult extends EnergyBench {
  /** Paths of the tables and figures. */
  files: string[];
}

/**
 * Runs the comparison. Throws ERR_RECIPE or ERR_BENCH_MACHINE where the folder holds rows of another recipe or machine.
 */
export async function benchEnergy(recipe: BenchEnergyRecipe, options: RunOptions = {}): Promise<EnergyBenchResult> {
  const { observer, signal } = options;
  using lock = await lockFolder(recipe.save);
  lock.requireWritable();
  const rows = rowsOf(recipe);
  if (!options.force) await checkRows(recipe, rows);
  // Several rows begin with the dense training of their seed, which runs once, even if it fails.
  const dense = new Map<number, Promise<unknown>>();
  const trainDense = (seed: number) => {
    const training = dense.get(seed) ?? retrain(denseRecipe(recipe, seed), options);
    dense.set(seed, training);
    return training;
  };
  const failures = new Map<EnergyRow, EarlybirdError>();
  let bench: EnergyBench | null = null;
  let tables: string[] = [];
  for (const [i, row] of rows.entries()) {
    signal?.throwIfAborted();
    observer?.log?.(`row ${i + 1} of ${rows.length}: ${nameOf(row)}`);
    try {
      await runRow(recipe, row, trainDense, options);
    } catch (error) {
      if (!isOwnFailure(error)) throw error;
      failures.set(row, error);
      observer?.log?.(`${nameOf(row)}: ${error.message}`);
    }
    // Tables are written after every row, so that an interrupted comparison has some; with --force they cover only the
    // rows that were run again.
    bench = benchOf(recipe, await readRows(recipe, options.force ? rows.slice(0, i + 1) : rows, failures));
    if (bench) tables = await writeTables(recipe.save, bench);
  }
  if (!bench) {
    const [{ code, message } = new EarlybirdError('ERR_INTERNAL', 'no reason is known.')] = failures.values();
    throw new EarlybirdError(code, `No row could be finished: ${message}`);
  }
  const { figures, notes } = await drawFigure(recipe.save, bench);
  for (const note of notes) observer?.log?.(note);
  return { ...bench, files: [...tables, ...figures] };
}

/** Checks before hours are spent the recipe of the rows on disk and, unless only tables are missing, their machine. */
async function checkRows(recipe: BenchEnergyRecipe, rows: readonly EnergyRow[]): Promise<void> {
  await checkIdentities(recipe, rows);
  const read = await readRows(recipe, rows);
  const stages = read.flatMap((row) => row.stages);
  if (read.every(({ state }) => state === 'finished')) return refuseMixedMachines(stages);
  refuseMixedMachines([...stages, { folder: 'what is left', machine: engineProvenance(openEngine(recipe)) }]);
}

/** Errors that concern one row only: no ticket emerged, or training diverged. */
const OWN_FAILURES: ErrorCode[] = ['ERR_PRUNE', 'ERR_NUMERIC'];
const isOwnFailure = (error: unknown): error is EarlybirdError => OWN_FAILURES.includes((error as EarlybirdError).code);

async function runRow(
  recipe: BenchEnergyRecipe,
  row: EnergyRow,
  trainDense: (seed: number) => Promise<unknown>,
  options: RunOptions,
): Promise<void> {
  const { cut, earlyBird } = METHODS[row.method];
  if (earlyBird) {
    await ebTrain(earlyBirdRecipe(recipe, row), options);
    return;
  }
  if (cut?.of === 'soft') await retrain(softRecipe(recipe, row), options);
  else await trainDense(row.seed);
  if (!cut) return;
  const { folder, seed } = row;
  const params = { command: 'bench energy', recipe, seed };
  const retraining = (ticket: string) => ticketRecipe(recipe, row, ticket);
  const whole = { folder, params, identity: cutIdentity(recipe, row), cut: cutRecipe(recipe, row) };
  await cutAndRetrain({ ...whole, retrain: retraining }, options);
}

async function readRows(
  recipe: BenchEnergyRecipe,
  rows: readonly EnergyRow[],
  failures: ReadonlyMap<EnergyRow, EarlybirdError> = new Map(),
): Promise<RowResult[]> {
  const results = await Promise.all(rows.map((row) => readRow(recipe.save, row)));
  return results.map((result, i) => {
    const failure = failures.get(rows[i]!);
    return failure ? { ...result, state: 'failed', failure: failure.message } : result;
  });
}
