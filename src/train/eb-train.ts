/**
 * EB Train (paper section 4): search until a ticket emerges, prune it out, train only that. One process, one folder with a
 * sub-folder for each stage; each stage is finished, resumable or new on its own, so a killed run goes on where it was.
 */
import { dirname, join } from 'node:path';
import { ENERGY_FILE, mergeEnergy, methodText, readEnergy, sourceText } from '../energy/file';
import { epochsTotal } from '../energy/totals';
import { provenanceOf } from '../engine/provenance';
import { openSession, type Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import { networkName } from '../network/names';
import { pruneOnce } from '../prune/prune';
import type { PruneReport } from '../prune/report';
import { identityOf } from '../recipe/identity';
import { FULL_PRECISION, formatsOf, precisionOptions } from '../recipe/precision';
import { percentOf } from '../recipe/ratio';
import { parseRecipe, type TrainRecipe } from '../recipe/recipe';
import { channelsOf, matricesOf, metricsOf, reportInput, tryReport } from '../report/gather/runs';
import { RunDirectory } from '../run/directory';
import type { Observer, RunOptions } from '../run/observer';
import type { SummaryRow } from '../run/result';
import { type RunResult, secondsOf, summaryRow } from '../run/result';
import { retrain } from './retrain';
import { search } from './search';

export interface TrainResult {
  directory: string;
  ticket: { percent: number; completed: number; file: string };
  search: RunResult;
  prune: PruneReport;
  retrain: RunResult;
  /** Dense (where it was trained to the end) against ticket. */
  summary: SummaryRow[];
  synthetic: boolean;
  /** Path of the HTML report, or null. */
  report: string | null;
}

export async function ebTrain(recipe: TrainRecipe, options: RunOptions = {}): Promise<TrainResult> {
  const { observer } = options;
  const { directory, state } = await RunDirectory.open(recipe.save, identityOf('train', recipe), options);
  if (state === 'finished') {
    observer?.log?.(`${recipe.save} holds this run, finished; --force runs it again`);
    return (await directory.readJson<TrainResult>('result.json'))!;
  }
  const session = await openSession(recipe, options);
  try {
    await directory.writeJson('params.json', {
      command: 'train',
      identity: identityOf('train', recipe),
      recipe,
      seed: recipe.seed,
      ...provenanceOf(session, options.commandLine),
    });
    const stages = await runStages(recipe, options, session);
    const result = await conclude(recipe, session, stages, observer);
    await directory.writeJson('result.json', result);
    return result;
  } finally {
    session.dispose();
  }
}

interface Stages {
  search: RunResult;
  prune: PruneReport;
  retrain: RunResult;
}

async function runStages(recipe: TrainRecipe, options: RunOptions, session: Session): Promise<Stages> {
  const shared = { ...options, session };
  const percent = percentOf(recipe.percent);
  const { result: found } = await search(searchRecipe(recipe), shared);
  const ticket = found.tickets[percent];
  if (!ticket) throw noTicket(recipe);

  const name = `${percent}${String(ticket.completed + 1).padStart(2, '0')}_${recipe.percent}`;
  const cut = pruneRecipe(recipe, join(recipe.save, `pruned_${name}`), ticket.file, session.device);
  const pruned = await pruneOnce(cut, { ...shared, energy: session.energy });
  const suffix = recipe.fromScratch ? '_scratch' : '';
  const { result: retrained } = await retrain(retrainRecipe(recipe, `retrain_${name}${suffix}`, pruned.ticket), shared);
  return { search: found, prune: pruned, retrain: retrained };
}

/** The keys of the train recipe that a stage's recipe has as well. */
function common(recipe: TrainRecipe): Record<string, unknown> {
  const {
    percent,
    ratios,
    emptyLayers,
    surgery,
    roundTo,
    protective,
    measure,
    variant,
    fromScratch,
    init,
    compareDense,
    detectorWindow,
    detectorThreshold,
    detectorRule,
    ...rest
  } = recipe;
  return rest;
}

/** With compareDense the search is simply not stopped: it is the dense training, bit for bit. */
function searchRecipe(recipe: TrainRecipe) {
  const { detectorWindow, detectorThreshold, detectorRule, percent, compareDense } = recipe;
  const ratios = [...new Set([percent, ...((recipe.ratios as number[] | undefined) ?? [])])];
  return parseRecipe('search', {
    ...common(recipe),
    save: join(recipe.save, 'search'),
    ratios,
    detectorWindow,
    detectorThreshold,
    detectorRule,
    stopAtTicket: !compareDense,
  });
}

function retrainRecipe(recipe: TrainRecipe, folder: string, ticket: string) {
  // The ticket says what network it is; that of a ResNet-50 has another name than the dense one.
  const { cfg, arch, depth, ...rest } = common(recipe);
  return parseRecipe('retrain', {
    ...rest,
    ...retrainPrecision(recipe),
    save: join(recipe.save, folder),
    scratch: ticket,
    reinit: recipe.fromScratch,
  });
}

/** The second letter of the variant. The ticket is written as what will train it. */
function retrainPrecision(recipe: TrainRecipe) {
  return { ...precisionOptions(recipe), ...(recipe.variant === 'll' ? {} : FULL_PRECISION) };
}

function pruneRecipe(recipe: TrainRecipe, save: string, ticket: string, device: string) {
  const { percent, emptyLayers, surgery, roundTo, protective, measure, precision, seed, init } = recipe;
  const initial = init === 'self' ? join(recipe.save, 'search', 'init.pth.tar') : init;
  return parseRecipe('prune', {
    save,
    model: ticket,
    percent,
    init: initial,
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

function noTicket({ epochs, percent, detectorThreshold }: TrainRecipe): EarlybirdError {
  return new EarlybirdError(
    'ERR_PRUNE',
    `No ticket emerged at --percent ${percent} within ${epochs} epochs: raise --detector-threshold (now ${detectorThreshold}) or --epochs.`,
  );
}

async function conclude(
  recipe: TrainRecipe,
  session: Session,
  stages: Stages,
  observer: Observer | undefined,
): Promise<TrainResult> {
  const percent = percentOf(recipe.percent);
  const ticket = stages.search.tickets[percent]!;
  const searchFolder = join(recipe.save, 'search');
  const metrics = await metricsOf(searchFolder);
  // What the ticket cost: the dense epochs up to its emergence, and its own.
  const drawn = metrics.filter((line) => line.completed <= ticket.completed);
  const retrained = await metricsOf(stages.retrain.directory);
  const folders = [searchFolder, dirname(stages.prune.ticket), stages.retrain.directory];
  const energy = mergeEnergy(await Promise.all(folders.map(readEnergy)));
  if (energy) await RunDirectory.at(recipe.save).writeJson(ENERGY_FILE, energy);
  const total = epochsTotal([...drawn, ...retrained]);
  const cost = {
    seconds: secondsOf(drawn) + stages.retrain.seconds,
    joules: total?.joules ?? null,
    joulesBy: methodText(energy?.sources ?? [], total),
  };
  const label = `ticket p=${recipe.percent}${recipe.fromScratch ? ', new weights' : recipe.init ? ', rewound' : ''}`;
  const ticketRow = summaryRow(label, stages.retrain, cost);
  const denseLabel = recipe.compareDense ? 'dense' : `dense, stopped after ${ticket.completed} epochs`;
  const summary = [summaryRow(denseLabel, stages.search), ticketRow];

  const network = networkName(recipe.arch, recipe.depth!);
  const ratios = searchRecipe(recipe).ratios;
  const report = recipe.report
    ? await tryReport(recipe.save, observer, async () =>
        reportInput(searchFolder, {
          title: `EB Train${formatsOf(recipe) ? ` ${recipe.variant!.toUpperCase()}` : ''}: ${network} on ${session.dataset.name}, p = ${recipe.percent}`,
          recipe,
          runs: [
            { name: recipe.compareDense ? 'dense (search)' : 'search', phase: 'search', metrics },
            { name: label, phase: 'retrain', metrics: retrained },
          ],
          matrices: await matricesOf(session.addon, searchFolder, ratios, stages.search, network, recipe),
          channels: [channelsOf(label, stages.prune)],
          summary,
          threshold: recipe.detectorThreshold,
          energy: energy && { phases: energy.phases, sources: energy.sources.map(sourceText) },
        }),
      )
    : null;
  return {
    directory: recipe.save,
    ticket: { percent, completed: ticket.completed, file: ticket.file },
    ...stages,
    summary,
    synthetic: session.dataset.synthetic,
    report,
  };
}
