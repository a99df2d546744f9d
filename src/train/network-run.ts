/** All that search and retraining share around the loop: folder, data, network, trainer, resume, result. */
import { existsSync } from 'node:fs';
import { writeCheckpoint } from '../checkpoint/pth';
import { methodText, readEnergy } from '../energy/file';
import { epochsTotal } from '../energy/totals';
import { provenanceOf } from '../engine/provenance';
import { openSession, type Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import { orDispose } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { Cfg, ModelSpec, NativeModel } from '../native/types/model';
import type { NativeTrainer } from '../native/types/trainer';
import { costsOf, maskChannels } from '../network/flops';
import { loadModel, loadWeights } from '../network/load';
import { identityOf } from '../recipe/identity';
import { formatsOf } from '../recipe/precision';
import type { RetrainRecipe, SearchRecipe } from '../recipe/recipe';
import { initialValue, type RestoredCheckpoint, readTrainingCheckpoint } from '../run/checkpoint';
import { type ModelInfo, modelInfo } from '../run/checkpoint-network';
import { identityHash, RunDirectory } from '../run/directory';
import { ratioKey, ticketFile } from '../run/names';
import type { RunOptions } from '../run/observer';
import { recordBest } from '../run/record';
import { type FinishedRun, type RunResult, secondsOf } from '../run/result';
import type { StateDict } from '../tensor';
import type { DetectorOptions } from '../ticket/detector';
import { TicketWatch } from '../ticket/watch';
import { Averaging } from './averaging';
import { runTraining, type TrainingOutcome, type TrainingStart } from './loop';
import {
  averageOf,
  checkDataset,
  firstMask,
  isOwnCheckpoint,
  latestOf,
  ownRemedy,
  refuseEmptyRun,
  refuseForeignInside,
  removeOwnCheckpoints,
  resumeFile,
  scratchHash,
  storedResult,
} from './resume';
import { searchNotes } from './start-notes';

/** The difference between a search and a retraining. */
export interface RunSpec {
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

/** A run whose folder is open and whose result is not there yet. */
interface OpenRun {
  recipe: SearchRecipe | RetrainRecipe;
  spec: RunSpec;
  options: RunOptions;
  directory: RunDirectory;
  session: Session;
  /** The checkpoint to go on from. */
  from: string | null;
  /** The contents of params.json. */
  params: { identity: Record<string, unknown> };
}

/**
 * Runs, resumes, or returns the result of an earlier, finished run of the same recipe. `session` is shared, and not disposed of.
 * `prepare` reads what only a run that is not finished needs.
 */
export async function runNetwork(
  recipe: SearchRecipe | RetrainRecipe,
  command: RunSpec['command'],
  prepare: () => Promise<RunSpec>,
  { session: shared, ...options }: RunOptions & { session?: Session },
): Promise<FinishedRun> {
  const { resume, save } = recipe;
  if (resume && !existsSync(resume)) throw new EarlybirdError('ERR_FILE', `--resume ${resume} does not exist.`);
  const identity = { ...identityOf(command, recipe), ...(await scratchHash(recipe.scratch)) };
  using lock = await lockFolder(save);
  const { directory, state } = await RunDirectory.open(lock, identity, { force: options.force, keep: resume });
  if (state === 'finished') {
    options.observer?.log?.(`${save} holds this run, finished; --force runs it again`);
    return { result: await storedResult(directory), reused: true };
  }
  if (state === 'foreign' && !resume) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${latestOf(directory)} is there without the params.json of a run: give it as --resume, choose another --save, or give --force to start over.`,
    );
  }
  using ownSession = shared ? null : await openSession(recipe, options);
  const session = shared ?? ownSession!;
  const provenance = provenanceOf(session, options.commandLine);
  await checkDataset(directory, provenance);
  const stored = await directory.readJson<{ resume?: string }>('params.json');
  const from = resumeFile(directory, state, resume, stored?.resume);
  const params = { command, identity, recipe, resume, seed: recipe.seed, ...provenance };
  const spec = await prepare();
  return { result: await train({ recipe, spec, options, directory, session, from, params }), reused: false };
}

async function train(run: OpenRun): Promise<RunResult> {
  const { recipe, spec, options, directory, session, params } = run;
  const { addon, precision, energy } = session;
  const { seed, momentum, weightDecay, capture } = recipe;
  const formats = formatsOf(recipe);
  const shape = shapeOf(run);
  using model = await newModel(addon, { ...shape, formats }, spec);
  const l1 = recipe.sr ? recipe.s : 0;
  using trainer = await addon.createTrainer(model, { momentum, weightDecay, l1, precision, seed, capture });
  const channels = maskChannels(model.describe());
  const watch = spec.detection && new TicketWatch(spec.detection.ratios, channels, spec.detection.options);

  const restored = run.from === null ? null : await restore(run, model, trainer, watch);
  using averaging = recipe.swa ? openAveraging(run, shape, restored) : undefined;
  const network = modelInfo(model.describe(), formats, { mean: session.dataset.mean, std: session.dataset.std });
  const start = await beginFolder(run, restored, model, network);
  if (spec.detection) {
    await beginMasks(run, spec.detection.ratios, channels, start.completed);
    const { stopAtTicket } = spec.detection;
    const notes = searchNotes({ ...recipe, stopAtTicket }, model.describe(), start.completed);
    for (const note of notes) options.observer?.log?.(note);
  }

  const outcome = await runTraining({
    ...options,
    phase: spec.command,
    directory,
    model,
    trainer,
    data: session,
    energy,
    settings: { ...recipe, precision },
    network,
    identityHash: identityHash(params.identity),
    detection: spec.detection && watch && { ...spec.detection, watch },
    averaging,
    start,
  });
  const result = await resultOf(spec.command, directory, model, outcome);
  await directory.writeJson('result.json', result);
  return result;
}

/** The network in full precision. parseRecipe or the ticket has filled in which. */
function shapeOf({ recipe, spec, session }: OpenRun): ModelSpec {
  const { arch, depth, seed } = recipe;
  const { classes, height: imageSize } = session.dataset;
  return { arch: arch!, depth: depth!, classes, cfg: spec.cfg, seed, device: session.device, imageSize };
}

/** With the weights that the run begins with. */
async function newModel(addon: NativeAddon, shape: ModelSpec, { weights, reinit }: RunSpec): Promise<NativeModel> {
  if (!weights) return addon.createModel(shape);
  const model = await loadModel(addon, shape, weights, 'The ticket');
  if (reinit) await orDispose(model, () => model.reinitialise(shape.seed));
  return model;
}

async function restore(
  { from, directory, recipe, options: { observer } }: OpenRun,
  model: NativeModel,
  trainer: NativeTrainer,
  watch: TicketWatch | undefined,
): Promise<RestoredCheckpoint> {
  const path = from!;
  const remedy = ownRemedy(directory, path);
  const restored = await readTrainingCheckpoint(path, model.describe().parameters, {
    ...(remedy ? { remedy } : { key: recipe.key }),
    log: observer?.log,
  });
  refuseForeignInside(directory, path, restored);
  await loadWeights(model, restored.state, path);
  await trainer.restoreMomentum(restored.momentum);
  watch?.restore(restored.detectors);
  const { completed, inside } = restored;
  const steps = inside ? ` and ${inside.position.steps} steps of the next` : '';
  observer?.log?.(`resumed from ${path} after ${completed} epochs${steps}`);
  return restored;
}

function openAveraging(
  { recipe, session, options: { observer } }: OpenRun,
  shape: ModelSpec,
  restored: RestoredCheckpoint | null,
): Averaging {
  const { swaStart: start, epochs } = recipe;
  const averaging = new Averaging({
    start,
    create: (state) => loadModel(session.addon, shape, state),
    restored: restored ? averageOf(restored, start, observer) : undefined,
  });
  if (start >= epochs) {
    observer?.log?.(
      `--swa averages from epoch index ${start} on, which --epochs ${epochs} never reaches: give a smaller --swa-start`,
    );
  }
  return averaging;
}

/** Writes what a run has before its first epoch, and cuts what it has of epochs that come again. */
async function beginFolder(
  { recipe, spec, directory, from, params }: OpenRun,
  restored: RestoredCheckpoint | null,
  model: NativeModel,
  network: ModelInfo,
): Promise<TrainingStart> {
  const { completed, best, inside } = restored ?? { completed: spec.startEpoch, best: 0 };
  await refuseEmptyRun(directory, from, completed, recipe.epochs);
  if (from === null || !isOwnCheckpoint(directory, from)) await removeOwnCheckpoints(directory);
  await directory.writeJson('params.json', params);
  if (!from && spec.saveInit) {
    await writeCheckpoint(directory.file('init.pth.tar'), initialValue(await model.stateDict(), network));
  }
  return { completed, best, inside, metrics: await directory.rewind(completed) };
}

async function beginMasks({ directory, from }: OpenRun, ratios: number[], channels: number, completed: number) {
  const first = await firstMask(directory, from, ratios[0]!, completed);
  await directory.writeMaskIndex({ channels, first, ratios });
}

async function resultOf(
  command: RunSpec['command'],
  directory: RunDirectory,
  model: NativeModel,
  { metrics, completed, best, tickets }: TrainingOutcome,
): Promise<RunResult> {
  const average = metrics.at(-1)?.swa;
  const total = epochsTotal(metrics);
  const sources = (await readEnergy(directory.path))?.sources ?? [];
  return {
    command,
    directory: directory.path,
    completed,
    top1Last: metrics.at(-1)?.test.top1 ?? null,
    top1Best: metrics.length > 0 ? best : null,
    bestPrec1: recordBest(metrics),
    swa: average ? { ...average, file: directory.file('swa.pth.tar') } : null,
    tickets: Object.fromEntries(
      tickets.map(({ ratio, number }) => [
        ratioKey(ratio),
        { file: directory.file(ticketFile(ratio, number)), completed: number - 1 },
      ]),
    ),
    ...(await costsOf(model)),
    seconds: secondsOf(metrics),
    joules: total?.joules ?? null,
    joulesBy: methodText(sources, total),
  };
}
