/** Pruning: draws the mask of a checkpoint at ratio p and cuts the masked channels out of the network. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { sweep, writeFileAtomic } from '../atomic';
import { writeCheckpoint } from '../checkpoint/pth';
import type { Value } from '../checkpoint/value';
import { knownDataset } from '../data/known';
import { RunMeter, writeEnergy } from '../energy/meter';
import { phaseTotals } from '../energy/totals';
import type { DataOptions } from '../engine/datasets';
import { type Engine, openEngine } from '../engine/device';
import { chooseKernels, roundingOf, stepCostsOf } from '../engine/kernels';
import { openTrainingImages } from '../engine/session';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import type { Spread } from '../measure';
import type { NativeDataset } from '../native/types/dataset';
import type { MaskResult, NativeModel } from '../native/types/model';
import { costsOf, maskFlops, maskMemoryKB } from '../network/flops';
import { loadModel } from '../network/load';
import { needsImages } from '../recipe/fields/ranking';
import { formatsOf } from '../recipe/precision';
import { type PruneRecipe, requireParsed } from '../recipe/recipe';
import { weightsValue } from '../run/checkpoint';
import { precisionFor } from '../run/checkpoint-formats';
import {
  type ModelInfo,
  modelInfo,
  type Normalisation,
  networkEntries,
  networkFor,
  weightsOf,
} from '../run/checkpoint-network';
import { completedOf } from '../run/completed';
import { RunDirectory } from '../run/directory';
import { readGiven } from '../run/given';
import type { RunOptions } from '../run/observer';
import type { StateDict } from '../tensor';
import { type Drawing, drawMasks, imagesFor } from './draw';
import { type PruneReport, pruneNotes, pruneText, sharesOf } from './report';
import { compareSteps, isNoisy } from './step-time';

/** File names of the ticket in its folder, and of what is known about it. */
const TICKET = 'pruned.pth.tar';
const REPORT = 'prune.json';

/**
 * Draws the mask of `recipe.model` at ratio `recipe.percent`, cuts the masked channels out (docs/reference.md#8), and writes
 * pruned.pth.tar, prune.txt and prune.json to `recipe.save`. With `recipe.init` the ticket gets the weights of that checkpoint instead.
 *
 * @param recipe from `parseRecipe('prune', ...)`
 * @returns sizes and costs before and after, each layer, and the times of a training step if `recipe.measure` is on
 * @throws ERR_FILE, ERR_CHECKPOINT for a file that cannot be read; ERR_PRUNE for an empty mask
 *
 * @example
 * const report = await prune(parseRecipe('prune', { model: 'logs/EB-30-12.pth.tar', percent: 0.3, save: 'ticket' }));
 * console.log(report.cfg, report.effective.flops); // widths, and the share of forward FLOPs that is gone
 */
export async function prune(recipe: PruneRecipe, options: RunOptions = {}): Promise<PruneReport> {
  requireParsed('prune', recipe);
  return pruneInto(recipe, options, null);
}

/** Draws the mask that a network is cut by. */
export type DrawMask = (dense: NativeModel, recipe: PruneRecipe) => Promise<MaskResult>;

/**
 * Prunes into `recipe.save`: with the meter of a longer run, which is then not disposed of, or one of its own, and with
 * another mask than that of the recipe where `draw` is given.
 */
async function pruneInto(
  recipe: PruneRecipe,
  options: RunOptions,
  meter: RunMeter | null,
  draw?: DrawMask,
): Promise<PruneReport> {
  using lock = await lockFolder(recipe.save);
  lock.requireWritable();
  await sweep(recipe.save);
  const report = await pruneLocked(recipe, options, meter, draw);
  await RunDirectory.at(recipe.save).writeJson(REPORT, report);
  return report;
}

async function pruneLocked(
  recipe: PruneRecipe,
  { observer, signal }: RunOptions,
  shared: RunMeter | null,
  draw?: DrawMask,
): Promise<PruneReport> {
  const source = await readInput(recipe.model, 'model', recipe.key);
  const initial = recipe.init === undefined ? null : await readInput(recipe.init, 'init');
  const engine = openEngine(recipe, observer?.log);
  const network = networkFor(recipe, source.value, source.path);
  const formats = formatsOf(precisionFor(recipe, source.value, source.path, network.formats, observer?.log));
  const load = ({ value, path }: Input) => {
    const state = weightsOf(network.arch, value, path, observer?.log);
    const classes = classesFor(recipe, network.classes);
    return loadModel(
      engine.addon,
      { ...network, formats, classes, seed: recipe.seed, device: engine.device },
      state,
      path,
    );
  };
  using ownMeter = shared ? null : await RunMeter.open(engine, recipe, signal);
  const energy = shared ?? ownMeter!;

  using dense = await load(source);
  using donor = initial && (await load(initial));
  const { surgery, roundTo, emptyLayers, criterion, budget } = recipe;
  const rounding = await roundingOf(engine, dense, roundTo, { log: observer?.log, signal });
  const cutting = { emptyLayers, surgery, ...rounding };
  const stepCosts = await stepCostsOf(engine, dense, budget, { log: observer?.log, signal });
  using images = needsImages(criterion)
    ? await openTrainingImages(engine, imagesLike(network, recipe), { observer, signal })
    : undefined;
  const { mask, scores } = draw
    ? { mask: await draw(dense, recipe), scores: undefined }
    : await maskOf(dense, recipe, { cutting, stepCosts, signal }, images);
  const options = { mask: mask.bits, ...(scores && { scores }), emptyLayers, surgery };
  const cut = await dense.prune({ ...options, ...rounding, weightsFrom: donor ?? undefined });
  using ticket = cut.model;
  using unrounded = roundTo !== 1 ? (await dense.prune(options)).model : null;
  const most = roundTo !== 1 ? mask.kept : undefined;
  for (const note of pruneNotes({ ...cut, surgery, rewound: donor !== null, budget: most, criterion }))
    observer?.log?.(note);

  const description = ticket.describe();
  const [before, after] = [await costsOf(dense), await costsOf(ticket)];
  const drawn = completedOf(source.value, source.path);
  const report: PruneReport = {
    ticket: join(recipe.save, TICKET),
    ratio: recipe.percent,
    surgery,
    roundTo,
    protective: recipe.protective,
    criterion,
    budget,
    effective: sharesOf(cut.layers, before, after),
    threshold: mask.threshold,
    channels: mask.total,
    kept: mask.kept,
    layers: cut.layers,
    maskMemoryKB: maskMemoryKB(mask.total),
    maskFlops: maskFlops(mask.total),
    cfg: description.cfg,
    before,
    after,
    time: null,
    timeMissing: 'not measured (--no-measure)',
    unrounded: unrounded && { ...(await costsOf(unrounded)), step: null },
    // A file of weights alone, such as the reference's init.pth.tar, is from before training.
    completed: initial ? (completedOf(initial.value, initial.path) ?? 0) : drawn,
    drawn,
  };
  const info = modelInfo(description, formats, network.normalisation);
  // What was known of another ticket in this folder must not be taken for this one's.
  await rm(join(recipe.save, REPORT), { force: true });
  await writeCheckpoint(report.ticket, ticketValue(await ticket.stateDict(), info, report, recipe));
  await writeFileAtomic(join(recipe.save, 'prune.txt'), Buffer.from(pruneText(report)));
  const spent = (await energy.lap()) ?? {};
  await writeEnergy(RunDirectory.at(recipe.save), energy, 'prune', phaseTotals('prune', [], spent));
  if (!recipe.measure) return report;
  // Timing comes last, because it changes BatchNorm statistics.
  const times = await measure(engine, [dense, ticket, ...(unrounded ? [unrounded] : [])], report, recipe, signal);
  await energy.lap(); // timing is part of no phase, so its energy is discarded
  const time = times.time && 1 - times.time.ratio;
  return { ...report, ...times, effective: { ...report.effective, time } };
}

/**
 * Prunes unless the result, prune.json, is there. Pruning is quick and repeatable, so an interrupted one is simply
 * repeated.
 */
export async function pruneOnce(
  recipe: PruneRecipe,
  options: RunOptions = {},
  meter: RunMeter | null = null,
  draw?: DrawMask,
): Promise<PruneReport> {
  const folder = RunDirectory.at(recipe.save);
  const before = await folder.readJson<PruneReport>(REPORT);
  // The recorded path may be spelt differently from the present one.
  const ticket = folder.file(TICKET);
  if (before && existsSync(ticket) && !options.force) return { ...before, ticket };
  return pruneInto(recipe, options, meter, draw);
}

interface Input {
  path: string;
  value: Value;
}

async function readInput(path: string, flag: string, key?: string): Promise<Input> {
  return { path, value: (await readGiven(path, flag, { key })).value };
}

async function maskOf(
  dense: NativeModel,
  recipe: PruneRecipe,
  drawing: Pick<Drawing, 'cutting' | 'stepCosts' | 'signal'>,
  images: NativeDataset | undefined,
): Promise<{ mask: MaskResult; scores: number[] | undefined }> {
  const { model, percent, protective, uniform, criterion, budget, seed } = recipe;
  const how = { criterion, budget, seed, protective, uniform, images: imagesFor(recipe, images), ...drawing };
  const { masks, scores } = await drawMasks(dense, [percent], how);
  const [mask] = masks;
  if (mask && mask.kept > 0) return { mask, scores };
  const total = mask?.total ?? 0;
  // The threshold is the score at this place of the order, and channels above it are kept.
  const isLast = budget === 'channels' && Math.floor(total * percent) >= total - 1;
  const equal =
    criterion === 'gamma'
      ? 'its largest gammas are equal, as all are in an untrained network'
      : 'its largest scores are equal';
  const why = isLast ? `the ratio leaves none of its ${total} channels, give a smaller one` : equal;
  throw new EarlybirdError('ERR_PRUNE', `The mask of ${model} at --percent ${percent} is empty: ${why}.`);
}

/** Opens training images as the network was trained on them: in its size and normalisation. */
function imagesLike(
  { imageSize, normalisation }: { imageSize?: number; normalisation?: Normalisation | undefined },
  recipe: PruneRecipe,
): DataOptions {
  return { ...recipe, dataset: recipe.dataset!, imageSize: recipe.imageSize ?? imageSize, normalisation };
}

const rangeOf = ({ low, high }: Spread) => ({ low, high });

/** Times the steps. The ticket is written by now, so a failure is only reported. */
async function measure(
  engine: Engine,
  models: readonly NativeModel[],
  { unrounded }: PruneReport,
  { seed }: PruneRecipe,
  signal: AbortSignal | undefined,
): Promise<Pick<PruneReport, 'time' | 'timeMissing' | 'unrounded'>> {
  try {
    const { addon, precision } = engine;
    for (const model of models) await chooseKernels(engine, model);
    const { milliseconds, ...batch } = await compareSteps(addon, models, { precision, seed, signal });
    const [dense, ticket, other] = milliseconds as [Spread, Spread, Spread?];
    const [of, to] = [dense.median, ticket.median];
    const ranges = { dense: rangeOf(dense), ticket: rangeOf(ticket) };
    return {
      time: { ...batch, dense: of, ticket: to, ratio: to / of, ranges, noisy: isNoisy(dense) || isNoisy(ticket) },
      timeMissing: null,
      unrounded: unrounded && { ...unrounded, step: other?.median ?? null },
    };
  } catch (error) {
    signal?.throwIfAborted();
    return { time: null, timeMissing: `not measured: ${(error as Error).message}`, unrounded };
  }
}

/**
 * Number of classes of the checkpoint. A named dataset must have as many, where its name fixes them; imagenet may be a
 * part of it.
 */
function classesFor({ model, dataset }: PruneRecipe, classes: number | undefined): number {
  const named = dataset && dataset !== 'imagenet' ? knownDataset(dataset)?.classes : undefined;
  if (named !== undefined && classes !== undefined && named !== classes)
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${model} tells ${classes} classes apart, but --dataset ${dataset} has ${named}: give the dataset it was trained on, or none.`,
    );
  const known = named ?? classes;
  if (known !== undefined) return known;
  throw new EarlybirdError(
    'ERR_CHECKPOINT',
    `${model} has no classifier, so the number of classes is unknown: give --dataset.`,
  );
}

function ticketValue(state: StateDict, network: ModelInfo, report: PruneReport, recipe: PruneRecipe): Value {
  return new Map<string, Value>([
    ['cfg', [...network.cfg]],
    ['state_dict', weightsValue(state, network)],
    [
      'earlybird',
      new Map<string, Value>([
        ...networkEntries(network),
        ['completed', report.completed],
        ['ratio', report.ratio],
        ['criterion', recipe.criterion],
        ['budget', recipe.budget],
        ['surgery', report.surgery],
        ['round_to', report.roundTo],
        ['protective', report.protective],
        ['drawn', report.drawn],
        ['source', basename(recipe.model)],
        ['init', recipe.init === undefined ? null : basename(recipe.init)],
      ]),
    ],
  ]);
}
