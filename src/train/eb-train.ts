/**
 * EB Train (paper section 4): searches until a ticket emerges, prunes it out, and trains only that. One process, and
 * one folder with a sub-folder for each stage. Each stage is finished, resumable or new on its own, so a killed run
 * continues where it was.
 */
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ENERGY_FILE, type EnergyFile, mergeEnergy, methodText, readEnergy } from '../energy/file';
import { epochsTotal } from '../energy/totals';
import { recordedKernels } from '../engine/kernels';
import { type Provenance, provenanceOf } from '../engine/provenance';
import { openSession, type Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import { pruneOnce } from '../prune/prune';
import type { PruneReport } from '../prune/report';
import { speedOfRun, type TicketSpeed } from '../prune/speed';
import { needsImages } from '../recipe/fields/ranking';
import { identityOf } from '../recipe/identity';
import { FULL_PRECISION, precisionOptions } from '../recipe/precision';
import { SCHEDULE_KEYS } from '../recipe/precision-schedules';
import { percentOf } from '../recipe/ratio';
import { entriesFor, parseRecipe, requireParsed, type TrainRecipe } from '../recipe/recipe';
import { CHECKPOINT, RunDirectory } from '../run/directory';
import { orRemedy } from '../run/given';
import { epochsText, ratioKey, ticketStage } from '../run/names';
import type { RunOptions } from '../run/observer';
import { type FinishedRun, type RunResult, type SummaryRow, secondsOf, summaryRow, ticketAt } from '../run/result';
import { detectorNamed, isCloser } from '../ticket/detectors/table';
import { signalsOf } from '../ticket/watch';
import { arithmeticOver } from './precision/follow';
import { scheduleLeft } from './precision/left';
import { retrainIn } from './retrain';
import { searchIn } from './search';
import { type StageArithmetic, type TrainingCost, trainingCost } from './training-cost';

/** Result of EB Train. */
export interface TrainResult {
  directory: string;
  /** The ticket that was pruned out: its ratio in percent, its completed epochs, and its checkpoint. */
  ticket: { percent: number; completed: number; file: string };
  search: RunResult;
  prune: PruneReport;
  retrain: RunResult;
  /** Training FLOPs of EB Train beside those of the dense network trained to the end. */
  trainingFlops: TrainingCost;
  /** Step time of the ticket over that of the dense network, by the epochs of both. */
  speed: TicketSpeed;
  /** Rows of the dense network, as far as it was trained, and of the ticket. */
  summary: SummaryRow[];
  /** True for generated images, whose accuracies mean nothing. */
  synthetic: boolean;
}

/**
 * Runs EB Train: `search` until the ticket at `recipe.percent` emerges, `prune`, `retrain`, each in a sub-folder of `recipe.save`.
 * The same call resumes an interrupted run, and returns the result of a finished one at once. `reportTrain` draws the report.
 *
 * @param recipe from `parseRecipe('train', ...)`
 * @throws as `search`, `prune` and `retrain`; ERR_PRUNE where no ticket emerges
 *
 * @example
 * const recipe = parseRecipe('train', { dataset: 'cifar10', data: 'data', sr: true, percent: 0.5, save: 'runs/vgg' });
 * const { result } = await ebTrain(recipe, { observer: { log: console.error } });
 * for (const { label, top1Last, seconds } of result.summary) console.log(label, top1Last, seconds);
 */
export async function ebTrain(recipe: TrainRecipe, options: RunOptions = {}): Promise<FinishedRun<TrainResult>> {
  requireParsed('train', recipe);
  const identity = identityOf('train', recipe);
  using lock = await lockFolder(recipe.save);
  const { directory, state } = await RunDirectory.open(lock, identity, options);
  if (state === 'finished') {
    options.observer?.log?.(`${recipe.save} holds this run, finished; --force runs it again`);
    return { result: await storedResult(recipe, directory), reused: true };
  }
  if (state === 'continued')
    await RunDirectory.check(join(recipe.save, 'search'), identityOf('search', searchRecipe(recipe)));
  using session = await openSession(recipe, options);
  const provenance = provenanceOf(session, options.commandLine);
  await rm(directory.file('result.json'), { force: true });
  await directory.writeJson('params.json', { command: 'train', identity, recipe, seed: recipe.seed, ...provenance });
  const result = await runStages(recipe, options, session, directory).catch(async (error: unknown) => {
    await directory.forgetUnbegun();
    throw error;
  });
  await directory.writeJson('result.json', result);
  return { result, reused: false };
}

/** Reads the stored result; files of older versions have no training FLOPs and no speed. */
async function storedResult(recipe: TrainRecipe, directory: RunDirectory): Promise<TrainResult> {
  const result = (await directory.readJson<TrainResult>('result.json'))!;
  const { dataset } = (await directory.readJson<Pick<Provenance, 'dataset'>>('params.json'))!;
  const lines = await linesIn(directory, result, result.ticket.completed);
  return {
    ...result,
    trainingFlops: trainingCost(result, recipe, dataset.train, countedIn(lines)),
    speed: await speedIn(directory, result),
  };
}

/** Speed by the stored stages. Only the names of their folders are used, as the run may have been moved. */
async function speedIn(directory: RunDirectory, { search, retrain }: Omit<Stages, 'prune'>): Promise<TicketSpeed> {
  const stage = async ({ directory: folder, flops }: RunResult) => ({
    flops,
    metrics: await RunDirectory.at(directory.file(basename(folder))).readMetrics(),
  });
  return speedOfRun(await stage(search), await stage(retrain));
}

/** Metrics of the dense epochs up to the draw of the ticket, and of its retraining. */
async function linesIn(directory: RunDirectory, { search, retrain }: Omit<Stages, 'prune'>, drawnAfter: number) {
  const metricsOf = ({ directory: folder }: RunResult) =>
    RunDirectory.at(directory.file(basename(folder))).readMetrics();
  const drawing = (await metricsOf(search)).filter(({ completed }) => completed <= drawnAfter);
  return { drawing, retraining: await metricsOf(retrain) };
}

type StageLines = Awaited<ReturnType<typeof linesIn>>;

const countedIn = ({ drawing, retraining }: StageLines): StageArithmetic => ({
  search: arithmeticOver(drawing),
  retrain: arithmeticOver(retraining),
});

async function runStages(
  recipe: TrainRecipe,
  options: RunOptions,
  session: Session,
  directory: RunDirectory,
): Promise<TrainResult> {
  const { percent: ratio, fromScratch } = recipe;
  const { result: searched } = await searchIn(session, searchRecipe(recipe), options);
  // The kernels of a search that was finished before are not in this session yet.
  Object.assign(session.kernels, await recordedKernels(searched.directory));
  const ticket = ticketAt(searched, ratio);
  if (!ticket) throw await noTicket(recipe, searched);

  const name = ticketStage(ratio, ticket.completed + 1);
  const cut = pruneRecipe(recipe, directory.file(`pruned_${name}`), ticket.file, session.device);
  const pruned = await orRemedy(cut.model, `remove ${directory.file('search')} to search again`, () =>
    pruneOnce(cut, options, session.energy),
  );
  const folder = directory.file(`retrain_${name}${fromScratch ? '_scratch' : ''}`);
  const { result: retrained } = await orRemedy(pruned.ticket, 'remove it to prune again', async () =>
    retrainIn(session, await retrainRecipe(recipe, folder, pruned.ticket, searched), options),
  );

  const drawn = { percent: percentOf(ratio), completed: ticket.completed, file: ticket.file };
  const stages = { search: searched, prune: pruned, retrain: retrained };
  const energy = await mergedEnergy(directory, stages);
  const lines = await linesIn(directory, stages, ticket.completed);
  return {
    directory: recipe.save,
    ticket: drawn,
    ...stages,
    trainingFlops: trainingCost({ ticket: drawn, ...stages }, recipe, session.dataset.train.count, countedIn(lines)),
    speed: await speedIn(directory, stages),
    summary: summaryOf(recipe, stages, lines, energy),
    synthetic: session.dataset.synthetic,
  };
}

type Stages = Pick<TrainResult, 'search' | 'prune' | 'retrain'>;

/** Writes energy.json of all stages. */
async function mergedEnergy(directory: RunDirectory, { search, prune, retrain }: Stages): Promise<EnergyFile | null> {
  const folders = [search.directory, dirname(prune.ticket), retrain.directory];
  const energy = mergeEnergy(await Promise.all(folders.map(readEnergy)));
  if (energy) await directory.writeJson(ENERGY_FILE, energy);
  return energy;
}

/** Rows of the summary. The ticket's row counts the dense epochs up to its emergence, and its own. */
function summaryOf(
  { percent, fromScratch, init, epochs }: TrainRecipe,
  { search, retrain }: Stages,
  { drawing, retraining }: StageLines,
  energy: EnergyFile | null,
): SummaryRow[] {
  const all = [...drawing, ...retraining];
  const total = epochsTotal(all);
  const costs = {
    arithmetic: arithmeticOver(all),
    seconds: secondsOf(drawing) + retrain.seconds,
    joules: total?.joules ?? null,
    joulesBy: methodText(energy?.sources ?? [], total),
  };
  // With --compare-dense, or where another ratio never emerges, the search is the whole dense training.
  const isStopped = search.completed < epochs;
  const denseLabel = isStopped ? `dense, stopped after ${epochsText(search.completed)}` : 'dense';
  const ticketLabel = `ticket p=${percent}${fromScratch ? ', new weights' : init ? ', rewound' : ''}`;
  const denseRow = { ...summaryRow(denseLabel, search), ...(isStopped ? { stopped: true } : {}) };
  return [denseRow, summaryRow(ticketLabel, retrain, costs)];
}

/** Recipe of the search. With compareDense it is not stopped, so that it is the dense training, bit for bit. */
function searchRecipe(recipe: TrainRecipe) {
  const { save, percent, ratios = [], compareDense } = recipe;
  return parseRecipe('search', {
    ...entriesFor('search', recipe),
    save: join(save, 'search'),
    ratios: [...new Set([percent, ...ratios])],
    stopAtTicket: !compareDense,
  });
}

async function retrainRecipe(recipe: TrainRecipe, save: string, ticket: string, searched: RunResult) {
  const { completed } = ticketAt(searched, recipe.percent)!;
  const lines = await RunDirectory.at(searched.directory).readMetrics();
  const drawing = lines.filter((line) => line.completed <= completed);
  return parseRecipe('retrain', {
    // The ticket records its network, which for a ResNet-50 has another name than the dense one.
    ...entriesFor('retrain', recipe, ['cfg', 'arch', 'depth', ...SCHEDULE_KEYS]),
    ...retrainPrecision(recipe),
    ...(recipe.variant === 'll' ? scheduleLeft(recipe, drawing) : {}),
    save,
    scratch: ticket,
    reinit: recipe.fromScratch,
  });
}

/**
 * Precision of the retraining, by the second letter of the variant. The ticket is written in the formats that will
 * train it.
 */
function retrainPrecision(recipe: TrainRecipe) {
  return { ...precisionOptions(recipe), ...(recipe.variant === 'll' ? {} : FULL_PRECISION) };
}

function pruneRecipe(recipe: TrainRecipe, save: string, ticket: string, device: string) {
  const { percent, emptyLayers, surgery, roundTo, protective, measure, precision, seed, init } = recipe;
  const { criterion, criterionBatches, budget } = recipe;
  const initial = init === 'self' ? join(recipe.save, 'search', 'init.pth.tar') : init;
  return parseRecipe('prune', {
    save,
    model: ticket,
    percent,
    init: initial,
    criterion,
    criterionBatches,
    budget,
    ...(needsImages(criterion) ? gradientImages(recipe) : {}),
    emptyLayers,
    surgery,
    roundTo,
    protective,
    measure,
    precision,
    device,
    seed,
    ...retrainPrecision(recipe),
  });
}

/** Options of the search's images, for criteria of gradients when the ticket is cut. */
function gradientImages(recipe: TrainRecipe) {
  const { dataset, data, limitTrain, imageSize, workers, maxBad, filter, sigma, sparsityGt, batchSize } = recipe;
  return { dataset, data, limitTrain, imageSize, workers, maxBad, filter, sigma, sparsityGt, batchSize };
}

/** The error for a search without a ticket: it names the closest signal, and ways to keep the trained weights. */
async function noTicket(recipe: TrainRecipe, { directory }: RunResult): Promise<EarlybirdError> {
  const { epochs, percent, detectorThreshold, precisionSchedule } = recipe;
  const { signal: name, settled } = detectorNamed(recipe.detector);
  const [nearestIs, limit] = settled === 'below' ? ['smallest', 'larger'] : ['largest', 'smaller'];
  // Where the bits depend on the option, another value would have changed them from the beginning.
  const anew = 'in another --save';
  const lines = await RunDirectory.at(directory).readMetrics();
  let nearest: { epoch: number; signal: number } | undefined;
  for (const line of lines) {
    const signal = signalsOf(line)[ratioKey(percent)] ?? null;
    if (signal !== null && isCloser(signal, nearest?.signal, settled)) nearest = { epoch: line.epoch, signal };
  }
  const best =
    nearest && `the ${nearestIs} ${name} was ${nearest.signal.toFixed(4)}, after ${epochsText(nearest.epoch)}`;
  return new EarlybirdError(
    'ERR_PRUNE',
    `No ticket emerged at --percent ${percent} within ${epochsText(epochs)}${best ? ` (${best})` : ''}: run the same command with a ` +
      `${limit} --detector-threshold (now ${detectorThreshold}) or a smaller --detector-window, ` +
      `${precisionSchedule === 'mask' ? anew : 'which trains nothing again'}, or with more --epochs, ` +
      `${precisionSchedule === 'cpt' ? anew : 'which goes on'}; or cut the last weights: earlybird prune --model ${join(directory, CHECKPOINT)} --percent ${percent} --save DIR.`,
  );
}
