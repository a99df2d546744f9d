/** The runs of `bench job`: their folders, and the command lines that do them. */
import { join } from 'node:path';
import { computingFlags } from '../../bench/peer';
import { OURS } from '../../bench/rounds';
import { requestedDevice } from '../../engine/device';
import { type Flags, flagWords } from '../../engine/program';
import { alternating } from '../../measure';
import { identityOf } from '../../recipe/identity';
import { JOB_MODELS } from '../../recipe/job';
import { type BenchJobRecipe, entriesFor, parseRecipe } from '../../recipe/recipe';

/** The whole job of one program with one seed. */
export interface JobRow {
  /** Name of the program: earlybird, or the mode of the peer. */
  system: string;
  seed: number;
  folder: string;
}

export const nameOf = ({ system, seed }: JobRow) => `${system}, seed ${seed}`;

/** Names of this program and of the peer's modes, unless it runs alone. */
export const systemsOf = ({ peer, modes }: BenchJobRecipe): string[] => [OURS, ...(peer === undefined ? [] : modes)];

/** Rows seed by seed, with the programs in turns. */
export function rowsOf(recipe: BenchJobRecipe): JobRow[] {
  const { save, seeds } = recipe;
  return seeds.flatMap((seed, round) =>
    alternating(systemsOf(recipe), round).map((system) => ({
      system,
      seed,
      folder: join(save, system, `seed-${seed}`),
    })),
  );
}

/** Settings that decide the result of a row. The images are compared by their fingerprint. */
export function identityOfRow(recipe: BenchJobRecipe, { system, seed }: JobRow): Record<string, unknown> {
  return { ...identityOf('benchJob', recipe), schedule: scheduleOf(recipe), system, seed };
}

export const scheduleOf = ({ epochs, schedule }: Pick<BenchJobRecipe, 'epochs' | 'schedule'>): number[] =>
  schedule ?? [Math.floor(epochs / 2), Math.floor((3 * epochs) / 4)];

/** The entries of a recipe of `train`. Throws ERR_RECIPE where no ticket could emerge. */
export function trainEntries(recipe: BenchJobRecipe, { seed, folder }: JobRow): Flags {
  const { model, ratio, s } = recipe;
  const entries = {
    ...(entriesFor('train', recipe, ['save', 'gpuIds', 'noCuda', 'watts', 'idleSeconds', 's']) as Flags),
    ...JOB_MODELS[model],
    schedule: scheduleOf(recipe),
    sr: s > 0,
    ...(s > 0 ? { s } : {}),
    percent: ratio,
    seed,
    device: requestedDevice(recipe),
    save: join(folder, 'run'),
    // Energy is off here, as both sides are metered from outside.
    energy: 'off',
    keepCheckpoints: 'none',
    report: false,
    measure: false,
  };
  parseRecipe('train', entries);
  return entries;
}

/** The command line of bench/peer/peer_job.py. */
export function peerWords(
  recipe: BenchJobRecipe,
  { system, seed }: JobRow,
  { train, test, classes }: { train: string; test: string; classes: number },
): string[] {
  const { model, ratio, epochs, lr, momentum, weightDecay, s, batchSize, testBatchSize } = recipe;
  return flagWords({
    ...{ train, test, classes },
    ...{ model, ratio, epochs, lr, momentum, weightDecay, seed },
    schedule: scheduleOf(recipe),
    mode: system,
    l1: s,
    batch: batchSize,
    testBatch: testBatchSize,
    ...computingFlags(recipe),
  });
}
