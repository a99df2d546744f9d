/**
 * `bench job`: the whole task (a trained small network) by `train` and by the PyTorch peer, which trains the dense
 * network to the end, prunes and trains again. Each run is a process of its own with a folder of its own under --save:
 * a finished run is not repeated.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { settlePeer } from '../../bench/peer';
import { OURS } from '../../bench/rounds';
import { cifarBinary } from '../../data/cifar/binary';
import { openDataset } from '../../data/open';
import { RunMeter } from '../../energy/meter';
import { openEngine } from '../../engine/device';
import { describeMachine, type Machine } from '../../engine/machine';
import { inTemporaryFolder } from '../../engine/program';
import { engineProvenance, type Provenance } from '../../engine/provenance';
import { EarlybirdError } from '../../errors';
import { lockFolder } from '../../lock';
import type { BenchJobRecipe } from '../../recipe/recipe';
import { RunDirectory } from '../../run/directory';
import type { RunOptions } from '../../run/observer';
import { type MachineRecord, machineOf, refuseMixedMachines } from '../same-machine';
import { identityOfRow, type JobRow, nameOf, rowsOf, trainEntries } from './rows';
import { type JobData, type JobRecord, runRow } from './run';
import { type JobBench, summarise } from './summary';
import { drawJob, writeJob } from './tables';

/** The jobs of all programs, with the files written. */
export interface JobBenchResult extends JobBench {
  files: string[];
}

/** Contents of params.json of a row beside its identity. */
interface Origin {
  machine: MachineRecord;
  dataset: Provenance['dataset'];
  description: Machine;
}

/** A row as stored in its folder. */
interface Kept {
  row: JobRow;
  origin: Origin | null;
  record: JobRecord | null;
}

/**
 * Runs the jobs. Throws ERR_RECIPE or ERR_BENCH_MACHINE where the folder holds runs with other settings, other images,
 * or of another machine.
 */
export async function benchJob(asked: BenchJobRecipe, options: RunOptions = {}): Promise<JobBenchResult> {
  const { observer, signal, force = false } = options;
  const recipe = settlePeer(asked, 'peer_job.py', observer?.log);
  const rows = rowsOf(recipe);
  for (const row of rows) trainEntries(recipe, row);
  using lock = await lockFolder(recipe.save);
  lock.requireWritable();
  if (!force) for (const row of rows) await RunDirectory.check(row.folder, identityOfRow(recipe, row));
  const done = new Map((force ? [] : await Promise.all(rows.map(keptIn))).map((kept) => [kept.row, kept]));
  const left = rows.filter((row) => !done.get(row)?.record);
  const failures = new Map<JobRow, EarlybirdError>();
  let last: JobBenchResult | null = null;
  const write = async () => {
    const kept = rows.flatMap((row) => done.get(row) ?? []).filter(({ record }) => record !== null);
    const origin = kept[0]?.origin;
    if (!origin) return;
    refuseMixedMachines(kept.map(({ row, origin: own }) => ({ folder: row.folder, machine: own!.machine })));
    refuseOtherImages(kept, origin.dataset, `${kept[0]!.row.folder} was`);
    refuseOtherVersions(kept);
    const runs = kept.map(({ row, origin: own, record }) => ({
      ...row,
      commit: own!.description.versions.commit ?? null,
      record: record!,
    }));
    // Runs may be of several calls; the table is of this one.
    const machine = { ...origin.description, ...(options.commandLine && { commandLine: options.commandLine }) };
    const bench = summarise(recipe, runs, failures, { machine, dataset: origin.dataset });
    last = { ...bench, files: await writeJob(recipe.save, bench) };
  };
  if (left.length > 0) {
    const engine = openEngine(recipe, observer?.log);
    const machine = machineOf(engineProvenance(engine));
    const finished = [...done.values()].filter(({ record }) => record !== null);
    const before = finished.map(({ row, origin }) => ({ folder: row.folder, machine: origin!.machine }));
    refuseMixedMachines([...before, { folder: 'what is left', machine }]);
    await inTemporaryFolder(async (folder) => {
      const data = await exportData(recipe, folder, options);
      refuseOtherImages(finished, data.dataset, '--data holds now');
      // An interrupted call goes on without --force, and must not take old results for its own.
      if (force) for (const { folder } of rows) await rm(join(folder, 'result.json'), { force: true });
      using meter = await RunMeter.open(engine, recipe, signal);
      for (const [i, row] of left.entries()) {
        signal?.throwIfAborted();
        observer?.log?.(`run ${i + 1} of ${left.length}: ${nameOf(row)}`);
        const origin = {
          machine,
          dataset: data.dataset,
          description: await describeMachine(engine, options.commandLine),
        };
        try {
          const record = await keep(recipe, row, origin, options, () => runRow(recipe, row, data, meter, options));
          done.set(row, { row, origin, record });
          observer?.log?.(
            `${nameOf(row)}: top-1 ${record.top1.toFixed(2)}%, ${record.seconds.train.toFixed(1)} s of training`,
          );
        } catch (error) {
          // The results of other programs do not depend on this one. Our own failure is a result too, unless the
          // machine failed.
          if (signal?.aborted || (row.system === OURS && !isOwnFailure(error))) throw error;
          failures.set(row, error as EarlybirdError);
          observer?.log?.(`${nameOf(row)}: ${(error as Error).message}`);
        }
        await write();
      }
    });
  } else await write();
  const result = last as JobBenchResult | null;
  if (!result) {
    const [{ code, message } = new EarlybirdError('ERR_INTERNAL', 'no reason is known.')] = failures.values();
    throw new EarlybirdError(code, `No run could be finished: ${message}`);
  }
  const { figures, notes } = await drawJob(recipe.save, result);
  for (const note of notes) observer?.log?.(note);
  return { ...result, files: [...result.files, ...figures] };
}

/** True where no ticket emerged or training diverged. */
const isOwnFailure = (error: unknown) => ['ERR_PRUNE', 'ERR_NUMERIC'].includes((error as EarlybirdError).code);

async function keptIn(row: JobRow): Promise<Kept> {
  const folder = RunDirectory.at(row.folder);
  return { row, origin: await folder.readJson<Origin>('params.json'), record: await folder.readJson('result.json') };
}

/**
 * Does a run and stores its result. Its folder names the run before it begins; of an interrupted run nothing is kept.
 */
async function keep(
  recipe: BenchJobRecipe,
  row: JobRow,
  origin: Origin,
  options: RunOptions,
  run: () => Promise<JobRecord>,
): Promise<JobRecord> {
  using lock = await lockFolder(row.folder);
  const identity = identityOfRow(recipe, row);
  const { directory } = await RunDirectory.open(lock, identity, options);
  await directory.writeJson('params.json', { command: 'bench job', identity, recipe, ...origin });
  const record = await run();
  await directory.writeJson('result.json', record);
  return record;
}

/** Writes the images that `train` opens for the peer: the same pixels, decoded once. */
async function exportData(recipe: BenchJobRecipe, folder: string, { observer, signal }: RunOptions): Promise<JobData> {
  const { dataset, data, limitTrain, limitTest } = recipe;
  observer?.log?.(`opening ${dataset}${data === undefined ? '' : ` in ${data}`}, for both sides`);
  const opened = await openDataset({ dataset, data, limitTrain, limitTest, signal });
  if (opened.classes > 256)
    throw new EarlybirdError(
      'ERR_DATASET',
      `${data ?? dataset} has ${opened.classes} classes, and the peer reads labels of one byte: give a --data of at most 256 classes.`,
    );
  const [train, test] = [join(folder, 'train.bin'), join(folder, 'test.bin')];
  await writeFile(train, cifarBinary(opened.train));
  await writeFile(test, cifarBinary(opened.test));
  const { name, synthetic, classes, fingerprint } = opened;
  return {
    ...{ train, test, classes },
    dataset: { name, synthetic, train: opened.train.count, test: opened.test.count, fingerprint },
  };
}

/** `others`: whose images `dataset` is, as the end of "other images than". */
function refuseOtherImages(kept: readonly Kept[], dataset: Provenance['dataset'], others: string): void {
  const other = kept.find(({ origin }) => origin!.dataset.fingerprint !== dataset.fingerprint);
  if (!other) return;
  const name = ({ fingerprint }: Provenance['dataset']) => fingerprint.slice(0, 12);
  throw new EarlybirdError(
    'ERR_RECIPE',
    `${other.row.folder} was run on other images (${name(other.origin!.dataset)}) than ${others} (${name(dataset)}): choose another --save, or give --force to start over.`,
  );
}

/**
 * Throws ERR_BENCH_MACHINE where the runs of one program are of several releases of it, or on other threads. A version
 * that one run did not record is another one than that of a run that did.
 */
function refuseOtherVersions(kept: readonly Kept[]): void {
  for (const { row, record } of kept) {
    const first = kept.find((other) => other.row.system === row.system)!;
    const [before, now] = [first.record!.versions, record!.versions];
    const name = Object.keys({ ...before, ...now }).find((key) => before[key] !== now[key]);
    if (name === undefined) continue;
    const [one, other] = [before, now].map((versions) => versions[name] ?? '(not recorded)');
    throw new EarlybirdError(
      'ERR_BENCH_MACHINE',
      `${first.row.folder} was run with ${name} ${one}, but ${row.folder} with ${other}: their times are not comparable, choose another --save, or remove one of the two folders to run it again.`,
    );
  }
}
