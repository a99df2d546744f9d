/** The parts around the loop that search and retraining share: folder, data, network, trainer, resume, result. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeCheckpoint } from '../checkpoint/pth';
import { chooseKernels, recordedKernels, stepCostsOf } from '../engine/kernels';
import { provenanceOf } from '../engine/provenance';
import { openSession, type Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import { orDispose } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { KernelTable } from '../native/types/kernels';
import type { Cfg, ModelSpec, NativeModel } from '../native/types/model';
import type { NativeTrainer } from '../native/types/trainer';
import { multiplyAddsOf } from '../network/bit-operations';
import { loadModel, loadWeights, requireFinite } from '../network/load';
import { type Drawing, imagesFor } from '../prune/draw';
import { type ChosenSchedule, scheduleOf } from '../recipe/chosen-precision-schedule';
import type { ChosenDetector } from '../recipe/detectors';
import { identityOf } from '../recipe/identity';
import { formatsOf, formatsText } from '../recipe/precision';
import { type RetrainRecipe, requireParsed, type SearchRecipe } from '../recipe/recipe';
import { initialValue, type RestoredCheckpoint, readTrainingCheckpoint } from '../run/checkpoint';
import { type ModelInfo, modelInfo, refuseOtherNetwork } from '../run/checkpoint-network';
import { identityHash, RunDirectory } from '../run/directory';
import { orRemedy } from '../run/given';
import { LiveFile } from '../run/live';
import { epochsText } from '../run/names';
import type { RunOptions } from '../run/observer';
import type { FinishedRun, RunResult } from '../run/result';
import type { StateDict } from '../tensor';
import { channelsOf } from '../ticket/detectors/detector';
import { TicketWatch } from '../ticket/watch';
import { Averaging } from './averaging';
import { refuseOtherSize } from './image-size';
import { runTraining } from './loop';
import { PrecisionWatch } from './precision/watch';
import { detectAnew } from './reread';
import {
  averageOf,
  checkDataset,
  firstMask,
  isOwnCheckpoint,
  latestOf,
  logChanges,
  ownRemedy,
  refuseEmptyRun,
  refuseForeignInside,
  removeLeftBehind,
  resumeFile,
  rewound,
  scratchHash,
  storedResult,
} from './resume';
import { resultOf } from './run-result';
import { searchNotes } from './start-notes';
import type { TrainingStart } from './training';

/** Settings in which a search and a retraining differ. */
export interface RunSpec {
  command: 'search' | 'retrain';
  cfg?: Cfg | undefined;
  /** Weights and selected channels to begin with; new weights where absent. */
  weights?: StateDict;
  /** Side of the images that the weights were trained on, pixels, where it is known. */
  imageSize?: number | undefined;
  /** True to load `weights` for their selected channels only, and then draw new ones. */
  reinit?: boolean;
  startEpoch: number;
  detection?: {
    ratios: number[];
    detector: ChosenDetector;
    stopAtTicket: boolean;
    ranking: Pick<SearchRecipe, 'criterion' | 'criterionBatches' | 'budget' | 'batchSize' | 'seed'>;
  };
  /** True to write init.pth.tar before training. */
  saveInit: boolean;
}

/** A run whose folder is open and whose result does not exist yet. */
interface OpenRun {
  recipe: SearchRecipe | RetrainRecipe;
  spec: RunSpec;
  schedule: ChosenSchedule | undefined;
  options: RunOptions;
  directory: RunDirectory;
  session: Session;
  /** Checkpoint to continue from. */
  from: string | null;
  /** The contents of params.json. */
  params: { identity: Record<string, unknown> };
}

/**
 * Runs, resumes, or returns the result of an earlier, finished run of the same recipe. A `shared` session is not
 * disposed of. `prepare` reads data that only an unfinished run needs.
 */
export async function runNetwork(
  shared: Session | null,
  recipe: SearchRecipe | RetrainRecipe,
  command: RunSpec['command'],
  prepare: () => Promise<RunSpec>,
  options: RunOptions,
): Promise<FinishedRun> {
  requireParsed(command, recipe);
  const schedule = scheduleOf(recipe, formatsOf(recipe));
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
  if (state === 'continued') await logChanges(directory, identity, from, recipe, options.observer);
  const params = { command, identity, recipe, resume, seed: recipe.seed, ...provenance };
  const spec = await prepare();
  const run = { recipe, spec, schedule, options, directory, session, from, params };
  return { result: await train(run), reused: false };
}

async function train(run: OpenRun): Promise<RunResult> {
  const { recipe, spec, options, directory, session, params } = run;
  const { addon, precision, energy } = session;
  const { seed, momentum, weightDecay, capture } = recipe;
  refuseOtherSize(recipe, spec.imageSize, session.dataset.height, recipe.scratch!);
  const formats = formatsOf(recipe);
  if (formats) options.observer?.log?.(`low precision: ${formatsText(formats)}`);
  const recorded = { ...session.kernels, ...(run.from === null ? {} : await recordedKernels(dirname(run.from))) };
  const shape = { ...shapeOf(run), kernels: recorded };
  using model = await newModel(addon, { ...shape, formats }, spec);
  const kernels = await chooseKernels(session, model, { recorded, log: options.observer?.log });
  Object.assign(session.kernels, kernels);
  const l1 = recipe.sr ? recipe.s : 0;
  using trainer = await addon.createTrainer(model, { momentum, weightDecay, l1, precision, seed, capture });
  const layers = model.describe().batchNorms.map(({ channels }) => channels);
  const watch = spec.detection && new TicketWatch(spec.detection.ratios, layers, spec.detection.detector);

  const precisionWatch = run.schedule && new PrecisionWatch(run.schedule);

  const restored = run.from === null ? null : await restore(run, run.from, model, trainer);
  using averaging = recipe.swa ? openAveraging(run, { ...shape, kernels }, restored) : undefined;
  const network = modelInfo(model.describe(), formats, { mean: session.dataset.mean, std: session.dataset.std });
  const start = await beginFolder(run, restored, model, network, kernels);
  if (watch && restored) await restoreWatch(run, watch, restored, start);
  precisionWatch?.restore(restored?.precision);
  const adds = multiplyAddsOf(model.describe());
  if (spec.detection) {
    await beginMasks(run, spec.detection.ratios, layers, start.completed);
    const { stopAtTicket } = spec.detection;
    const notes = searchNotes({ ...recipe, stopAtTicket }, model.describe(), start.completed);
    for (const note of notes) options.observer?.log?.(note);
  }

  using live = new LiveFile(directory.path, options.observer);
  const outcome = await runTraining({
    ...options,
    observer: live.observer,
    phase: spec.command,
    directory,
    model,
    trainer,
    data: session,
    energy,
    settings: { ...recipe, precision },
    network,
    identityHash: identityHash(params.identity),
    detection: spec.detection && watch && { ...spec.detection, watch, drawing: await drawingOf(run, model) },
    averaging,
    precision: precisionWatch,
    adds,
    start,
  });
  const result = await resultOf(spec.command, directory, model, outcome, adds);
  await directory.writeJson('result.json', result);
  return result;
}

/** Rules for drawing the masks of a search. */
async function drawingOf({ spec, session, options }: OpenRun, model: NativeModel): Promise<Drawing> {
  const { criterion, budget, seed, ...rest } = spec.detection!.ranking;
  const how = { log: options.observer?.log, signal: options.signal };
  const stepCosts = await stepCostsOf(session, model, budget, how);
  const images = imagesFor({ criterion, ...rest }, session.train);
  return { criterion, budget, seed, images, stepCosts, signal: options.signal };
}

/** The network in full precision, which parseRecipe or the ticket has determined. */
function shapeOf({ recipe, spec, session }: OpenRun): ModelSpec {
  const { arch, depth, seed } = recipe;
  const { classes, height: imageSize } = session.dataset;
  return { arch: arch!, depth: depth!, classes, cfg: spec.cfg, seed, device: session.device, imageSize };
}

/** Creates the network, with the weights of the spec or new ones. */
async function newModel(addon: NativeAddon, shape: ModelSpec, { weights, reinit }: RunSpec): Promise<NativeModel> {
  if (!weights) return addon.createModel(shape);
  const model = await loadModel(addon, shape, weights, 'The ticket');
  if (reinit) await orDispose(model, () => model.reinitialise(shape.seed));
  return model;
}

async function restore(
  run: OpenRun,
  path: string,
  model: NativeModel,
  trainer: NativeTrainer,
): Promise<RestoredCheckpoint> {
  const { directory, recipe, options } = run;
  const reading = { arch: recipe.arch, log: options.observer?.log };
  const read = (key?: string) => readTrainingCheckpoint(path, model.describe().parameters, { key, ...reading });
  const restored = isOwnCheckpoint(directory, path)
    ? await orRemedy(path, ownRemedy(directory, path), read)
    : await read(recipe.key);
  refuseForeignInside(directory, path, restored);
  refuseOtherNetwork(recipe.arch, restored.arch, path);
  await loadWeights(model, restored.state, path);
  requireFinite(restored.momentum, `The momentum in ${path}`);
  await trainer.restoreMomentum(restored.momentum);
  const { completed, inside } = restored;
  const steps = inside ? ` and ${inside.position.steps} steps of the next` : '';
  options.observer?.log?.(`resumed from ${path} after ${epochsText(completed)}${steps}`);
  return restored;
}

function openAveraging(
  { recipe, session, from, options: { observer } }: OpenRun,
  shape: ModelSpec,
  restored: RestoredCheckpoint | null,
): Averaging {
  const { swaStart: start } = recipe;
  const average = restored ? averageOf(restored, start, observer) : undefined;
  if (average) requireFinite(average.state, `The average in ${from}`);
  return new Averaging({
    start,
    create: (state) => loadModel(session.addon, shape, state),
    restored: average,
  });
}

/** Writes the files that a run has before its first epoch, and cuts back those of epochs that will be repeated. */
async function beginFolder(
  run: OpenRun,
  restored: RestoredCheckpoint | null,
  model: NativeModel,
  network: ModelInfo,
  kernels: KernelTable,
): Promise<TrainingStart> {
  const { recipe, spec, directory, from, params } = run;
  const { completed, best, inside } = restored ?? { completed: spec.startEpoch, best: 0 };
  await refuseEmptyRun(directory, from, completed, recipe.epochs);
  await removeLeftBehind(directory, from);
  await rm(directory.file('result.json'), { force: true });
  await directory.writeJson('params.json', { ...params, kernels });
  if (!from && spec.saveInit) {
    await writeCheckpoint(directory.file('init.pth.tar'), initialValue(await model.stateDict(), network));
  }
  return { completed, best, inside, metrics: await rewound(directory, from, completed) };
}

/** Restores the detectors. Those whose options changed look at the stored masks again. */
async function restoreWatch(
  run: OpenRun,
  watch: TicketWatch,
  { identityHash: before, completed, detectors }: RestoredCheckpoint,
  start: TrainingStart,
): Promise<void> {
  const {
    directory,
    params,
    spec,
    options: { observer },
  } = run;
  const anew =
    isOwnCheckpoint(directory, run.from!) && before !== identityHash(params.identity)
      ? await detectAnew(directory, watch, spec.detection!.ratios, completed, observer)
      : null;
  if (anew === null) return watch.restore(detectors);
  start.metrics = await directory.writeMetrics(
    start.metrics.map(({ signals, ...line }) => ({ ...line, ...anew.get(line.epoch) })),
  );
}

async function beginMasks(run: OpenRun, ratios: number[], layers: number[], completed: number) {
  const { directory, from, session } = run;
  const { maskEvery: every, batchSize } = run.recipe as SearchRecipe;
  const steps = every && { every, batches: Math.ceil(session.train.count / batchSize) };
  const first = await firstMask(directory, from, ratios[0]!, completed);
  await directory.writeMaskIndex({ channels: channelsOf(layers), first, ratios, layers, ...(steps ? { steps } : {}) });
}
