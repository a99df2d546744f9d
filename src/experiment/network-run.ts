/**
 * Everything around the loop that search and retraining share: folder, data, network, trainer, resume, result. What differs
 * between them is an argument (`Variant`).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeCheckpoint } from '../checkpoint/pth';
import { EarlybirdError } from '../errors';
import type { Cfg, NativeModel } from '../native/types';
import type { AverageMetrics, EpochMetrics } from '../report/input';
import type { StateDict } from '../tensor';
import { Averaging } from './averaging';
import type { DetectorOptions } from './early-bird';
import { methodText, readEnergy } from './energy-file';
import { epochsTotal } from './energy-totals';
import { forwardFlops, parameterCount } from './flops';
import { formatsOf } from './low-precision';
import type { Observer, RunOptions } from './observer';
import { type Provenance, provenanceOf } from './provenance';
import { identityOf, percentOf, type RetrainRecipe, type SearchRecipe } from './recipe';
import { recordBest } from './record';
import { CHECKPOINT, identityHash, RunDirectory, type RunState } from './run-directory';
import { openSession, type Session } from './session';
import { TicketWatch } from './ticket-watch';
import {
  type AveragedWeights,
  initialValue,
  modelInfo,
  type RestoredCheckpoint,
  readTrainingCheckpoint,
} from './training-checkpoint';
import { runTraining, type TrainingOutcome, type TrainingRun } from './training-run';

/** What a run starts from and looks for. */
export interface Variant {
  command: 'search' | 'retrain';
  cfg?: Cfg | undefined;
  /** Weights (and selected channels) to begin with; new ones where absent. */
  weights?: StateDict;
  /** Load `weights` for their selected channels, then draw new ones. */
  reinit?: boolean;
  startEpoch: number;
  detection?: { ratios: number[]; options: DetectorOptions; stopAtTicket: boolean };
  /** Write init.pth.tar before training. */
  saveInit: boolean;
}

export interface RunResult {
  command: 'search' | 'retrain';
  directory: string;
  completed: number;
  /** Exact test top-1 of the last and of the best epoch (chosen on the test set), percent; null where no epoch was run. */
  top1Last: number | null;
  top1Best: number | null;
  /** The reference's best value: unweighted mean over batches, two decimals. */
  bestPrec1: number;
  /** The mean of the weights (--swa) after the last epoch, tested in full precision, and its file; null where there is none. */
  swa: (AverageMetrics & { file: string }) | null;
  /** Checkpoint of each ticket, by percent, and the epochs it has completed. */
  tickets: Record<string, { file: string; completed: number }>;
  parameters: number;
  parametersWithIndexes: number;
  /** Forward FLOPs of one image. */
  flops: number;
  /** Seconds of training and evaluation. */
  seconds: number;
  /** Of the passes and the detection of all epochs; null where one of them was not metered. Absent in results of earlier versions. */
  joules?: number | null;
  /** How they were come by, for example "estimated from the given watts". */
  joulesBy?: string | null;
}

export interface FinishedRun {
  result: RunResult;
  /** True where the folder already held the finished run, so that nothing was computed. */
  reused: boolean;
}

type NetworkRecipe = SearchRecipe | RetrainRecipe;

/** Runs, resumes, or returns the result of an earlier, finished run of the same recipe. `session` is shared, not disposed. */
export async function runNetwork(
  recipe: NetworkRecipe,
  command: 'search' | 'retrain',
  prepare: () => Promise<Variant>,
  options: RunOptions & { session?: Session },
): Promise<FinishedRun> {
  if (recipe.resume && !existsSync(recipe.resume)) {
    throw new EarlybirdError('ERR_FILE', `--resume ${recipe.resume} does not exist.`);
  }
  const identity = { ...identityOf(command, recipe), ...(await scratchHash(recipe.scratch)) };
  const { directory, state } = await RunDirectory.open(recipe.save, identity, {
    force: options.force,
    keep: recipe.resume,
  });
  if (state === 'finished') {
    options.observer?.log?.(`${recipe.save} holds this run, finished; --force runs it again`);
    return { result: await storedResult(directory), reused: true };
  }
  if (state === 'foreign' && !recipe.resume) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${latestOf(directory)} is there without the params.json of a run: give it as --resume, choose another --save, or give --force to start over.`,
    );
  }
  const session = options.session ?? (await openSession(recipe, options));
  try {
    const provenance = provenanceOf(session, options.commandLine);
    await checkDataset(directory, provenance);
    const stored = await directory.readJson<{ resume?: string }>('params.json');
    const from = resumeFile(directory, state, recipe.resume, stored?.resume);
    const params = { command, identity, recipe, resume: recipe.resume, seed: recipe.seed, ...provenance };
    return { result: await train(recipe, await prepare(), directory, session, from, params, options), reused: false };
  } finally {
    if (!options.session) session.dispose();
  }
}

/** The result of a finished run, with the paths that its folder has now. */
async function storedResult(directory: RunDirectory): Promise<RunResult> {
  const result = (await directory.readJson<RunResult>('result.json'))!;
  const tickets = Object.entries(result.tickets).map(([percent, ticket]) => [
    percent,
    { ...ticket, file: directory.file(basename(ticket.file)) },
  ]);
  // Absent in results of earlier versions.
  const swa = result.swa ? { ...result.swa, file: directory.file(basename(result.swa.file)) } : null;
  return { ...result, swa, directory: directory.path, tickets: Object.fromEntries(tickets) };
}

/** The contents of the ticket are part of what a run is: another ticket under the same name is another run. */
async function scratchHash(path: string | undefined): Promise<{ scratchSha256?: string }> {
  if (path === undefined) return {};
  const bytes = await readFile(path).catch((error: Error) => {
    throw new EarlybirdError('ERR_FILE', `--scratch ${path} cannot be read: give a pruned.pth.tar.`, String(error));
  });
  return { scratchSha256: createHash('sha256').update(bytes).digest('hex') };
}

const latestOf = (directory: RunDirectory) => directory.file(CHECKPOINT);

/** The file to go on from: the latest checkpoint of this run, unless --resume names another start than last time. */
function resumeFile(
  directory: RunDirectory,
  state: RunState,
  asked: string | undefined,
  before: string | undefined,
): string | null {
  if (state === 'interrupted' && (asked === undefined || asked === before)) return latestOf(directory);
  return asked ?? null;
}

/** Throws ERR_RECIPE where the run would begin at its end. One that was killed after its last epoch has metrics, and may finish. */
async function refuseEmptyRun(directory: RunDirectory, from: string | null, completed: number, epochs: number) {
  if (completed < epochs || (await directory.readMetrics()).length > 0) return;
  const [where, remedy] = from ? [` (after ${from})`, ''] : ['', ', or a smaller --start-epoch'];
  throw new EarlybirdError(
    'ERR_RECIPE',
    `Training would begin at epoch ${completed}${where}, which leaves nothing to do before --epochs ${epochs}: give more --epochs${remedy}.`,
  );
}

/** Masks that were drawn on the way to a checkpoint are those of its own folder, if any. */
async function firstMask(directory: RunDirectory, from: string | null, percent: number, completed: number) {
  const isOwn = from !== null && resolve(dirname(from)) === resolve(directory.path);
  return isOwn ? directory.firstMask(percent, completed) : completed;
}

async function checkDataset(directory: RunDirectory, now: Provenance): Promise<void> {
  const before = await directory.readJson<Partial<Provenance>>('params.json');
  if (!before?.dataset || before.dataset.fingerprint === now.dataset.fingerprint) return;
  throw new EarlybirdError(
    'ERR_DATASET',
    `${directory.path} holds a run on other images (the dataset ${now.dataset.name} has changed since): choose another --save, or give --force.`,
  );
}

async function train(
  recipe: NetworkRecipe,
  variant: Variant,
  directory: RunDirectory,
  session: Session,
  from: string | null,
  params: { identity: Record<string, unknown> },
  options: RunOptions,
): Promise<RunResult> {
  const { addon, device, precision, dataset } = session;
  const { arch, depth, seed, momentum, weightDecay } = recipe;
  const { classes, height: imageSize } = dataset;
  const shape = { arch, depth: depth!, classes, cfg: variant.cfg, seed, device, imageSize };
  const formats = formatsOf(recipe);
  const model = await addon.createModel({ ...shape, formats });
  let averaging: Averaging | undefined;
  try {
    if (variant.weights) await model.loadStateDict(variant.weights);
    if (variant.weights && variant.reinit) await model.reinitialise(seed);
    const description = model.describe();
    const network = modelInfo(description, formats);
    const l1 = recipe.sr ? recipe.s : 0;
    const trainer = await addon.createTrainer(model, {
      momentum,
      weightDecay,
      l1,
      precision,
      seed,
      capture: recipe.capture,
    });
    try {
      const channels = description.batchNorms.reduce((sum, layer) => sum + layer.channels, 0);
      const watch = variant.detection && new TicketWatch(variant.detection.ratios, channels, variant.detection.options);
      const start: TrainingRun['start'] = { completed: variant.startEpoch, best: 0, metrics: [] };
      const restored = from ? await readTrainingCheckpoint(from, description.parameters) : null;
      if (restored) {
        await model.loadStateDict(restored.state);
        await trainer.restoreMomentum(restored.momentum);
        watch?.restore(restored.detectors);
        start.completed = restored.completed;
        start.best = restored.best;
        options.observer?.log?.(`resumed from ${from} after ${restored.completed} epochs`);
      }
      if (recipe.swa) {
        averaging = new Averaging({
          start: recipe.swaStart,
          create: () => addon.createModel(shape),
          restored: restored ? averageOf(restored, recipe.swaStart, options.observer) : undefined,
        });
        if (recipe.swaStart >= recipe.epochs) {
          options.observer?.log?.(
            `--swa averages from epoch index ${recipe.swaStart} on, which --epochs ${recipe.epochs} never reaches: give a smaller --swa_start`,
          );
        }
      }
      await refuseEmptyRun(directory, from, start.completed, recipe.epochs);
      // From another file the run begins anew there: a later kill must not bring back the checkpoint that was left behind.
      const latest = latestOf(directory);
      if (from === null || resolve(from) !== resolve(latest)) await rm(latest, { force: true });
      await directory.writeJson('params.json', params);
      if (!from && variant.saveInit) {
        const state = await model.stateDict();
        await writeCheckpoint(directory.file('init.pth.tar'), initialValue(state, network));
      }
      start.metrics = await directory.rewind(start.completed);
      if (variant.detection) {
        const { ratios } = variant.detection;
        const first = await firstMask(directory, from, percentOf(ratios[0]!), start.completed);
        await directory.writeMaskIndex({ channels, first, ratios });
      }
      const outcome = await runTraining({
        ...options,
        phase: variant.command,
        directory,
        model,
        trainer,
        data: session,
        energy: session.energy,
        settings: { ...recipe, precision },
        network,
        identityHash: identityHash(params.identity),
        detection: variant.detection && watch && { ...variant.detection, watch },
        averaging,
        start,
      });
      const total = epochsTotal(outcome.metrics);
      const sources = (await readEnergy(directory.path))?.sources ?? [];
      const energy = { joules: total?.joules ?? null, joulesBy: methodText(sources, total) };
      const result = { ...(await resultOf(variant.command, directory, model, outcome)), ...energy };
      await directory.writeJson('result.json', result);
      return result;
    } finally {
      trainer.dispose();
    }
  } finally {
    averaging?.dispose();
    model.dispose();
  }
}

async function resultOf(
  command: Variant['command'],
  directory: RunDirectory,
  model: NativeModel,
  outcome: TrainingOutcome,
): Promise<RunResult> {
  const { metrics, completed, best, tickets } = outcome;
  const average = metrics.at(-1)?.swa;
  const description = model.describe();
  const { parameters, withIndexes } = parameterCount(description, await model.stateDict());
  return {
    command,
    directory: directory.path,
    completed,
    top1Last: metrics.at(-1)?.test.top1 ?? null,
    top1Best: metrics.length > 0 ? best : null,
    bestPrec1: recordBest(metrics),
    swa: average ? { ...average, file: directory.file('swa.pth.tar') } : null,
    tickets: Object.fromEntries(
      Object.entries(tickets).map(([percent, number]) => [
        percent,
        { file: join(directory.path, `EB-${percent}-${number}.pth.tar`), completed: number - 1 },
      ]),
    ),
    parameters,
    parametersWithIndexes: withIndexes,
    flops: forwardFlops(description.layers),
    seconds: secondsOf(metrics),
  };
}

export function secondsOf(metrics: readonly EpochMetrics[]): number {
  return metrics.reduce((sum, { seconds, swa }) => sum + seconds.train + seconds.evaluate + (swa?.seconds ?? 0), 0);
}

/** The mean that a checkpoint carries, unless epochs are in it that this run does not average: those of a run with another start. */
export function averageOf(
  { average, completed }: Pick<RestoredCheckpoint, 'average' | 'completed'>,
  swaStart: number,
  observer?: Observer,
): AveragedWeights | undefined {
  if (!average || average.models <= completed - swaStart) return average;
  observer?.log?.(
    `the checkpoint averages ${average.models} epochs, some of them before --swa_start ${swaStart}: the average begins anew`,
  );
  return undefined;
}
