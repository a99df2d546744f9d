/** Draws the reports of search, retrain and train. */
import { basename, dirname, join } from 'node:path';
import { speedOfTicket } from '../../prune/speed';
import { formatsOf } from '../../recipe/precision';
import type { RetrainRecipe, SearchRecipe, TrainRecipe } from '../../recipe/recipe';
import { RunDirectory } from '../../run/directory';
import type { Observer } from '../../run/observer';
import { type FinishedRun, summaryRow } from '../../run/result';
import type { TrainResult } from '../../train/eb-train';
import type { ReportInput } from '../input';
import { datasetLabel } from '../theme';
import { describeRun, drawReport, energyOf, writeMatrices } from './runs';

const metricsOf = (folder: string) => RunDirectory.at(folder).readMetrics();

/**
 * Draws the report of a search: curves, distances, matrices. Also writes overlap_{p}.npy. Returns the path of the HTML;
 * null where there is no report.
 */
export function reportSearch(
  recipe: SearchRecipe,
  { result, reused }: FinishedRun,
  observer?: Observer,
): Promise<string | null> {
  const { save, ratios } = recipe;
  return drawReport(recipe, reused, observer, async () => {
    const { network, input } = await describeRun(save);
    return {
      ...input,
      title: recipe.title ?? `Early-Bird search: ${network}`,
      runs: [{ name: 'search (dense)', phase: 'search', metrics: await metricsOf(save) }],
      matrices: await writeMatrices(save, ratios, result, network, recipe),
      summary: [summaryRow('search (dense)', result)],
      threshold: recipe.detectorThreshold,
    };
  });
}

/**
 * Draws the report of a retraining alone: its curves and costs. Returns the path of the HTML; null where there is no
 * report.
 */
export function reportRetrain(
  recipe: RetrainRecipe,
  { result, reused }: FinishedRun,
  observer?: Observer,
): Promise<string | null> {
  const { save, scratch, reinit } = recipe;
  const name = scratch === undefined ? 'dense' : reinit ? 'ticket, new weights' : 'ticket, inherited weights';
  return drawReport(recipe, reused, observer, async () => {
    const { network, input } = await describeRun(save);
    const speed = scratch === undefined ? null : await speedOfTicket(scratch);
    return {
      ...input,
      ...(speed ? { speed } : {}),
      title: recipe.title ?? `Training: ${network}, ${name}`,
      runs: [{ name, phase: 'retrain', metrics: await metricsOf(save) }],
      summary: [summaryRow(name, result)],
    };
  });
}

/**
 * Draws the report of EB Train: both trainings, matrices, kept channels, and costs. Returns the path of the HTML; null
 * where there is no report.
 */
export function reportTrain(
  recipe: TrainRecipe,
  { result, reused }: FinishedRun<TrainResult>,
  observer?: Observer,
): Promise<string | null> {
  const { save, percent, compareDense } = recipe;
  const stages = ['search', basename(dirname(result.prune.ticket)), basename(result.retrain.directory)];
  const compose = async (): Promise<ReportInput> => {
    const folder = join(save, 'search');
    const { network, input } = await describeRun(folder);
    const { ratios } = input.recipe as SearchRecipe;
    const ticket = result.summary[1]!.label;
    const variant = formatsOf(recipe) ? ` ${recipe.variant!.toUpperCase()}` : '';
    return {
      ...input,
      recipe,
      title: recipe.title ?? `EB Train${variant}: ${network} on ${datasetLabel(input.dataset)}, p = ${percent}`,
      runs: [
        { name: compareDense ? 'dense (search)' : 'search', phase: 'search', metrics: await metricsOf(folder) },
        { name: ticket, phase: 'retrain', metrics: await metricsOf(join(save, basename(result.retrain.directory))) },
      ],
      matrices: await writeMatrices(folder, ratios, result.search, network, recipe),
      channels: [{ name: ticket, ratio: result.prune.ratio, layers: result.prune.layers }],
      summary: result.summary,
      trainingFlops: result.trainingFlops,
      speed: result.speed,
      threshold: recipe.detectorThreshold,
      energy: await energyOf(save),
    };
  };
  return drawReport(recipe, reused, observer, compose, stages);
}
