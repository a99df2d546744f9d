/** Turns finished runs into what the report room draws, and into overlap_{p}.npy. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readEnergy, sourceText } from '../../energy/file';
import type { Provenance } from '../../engine/provenance';
import { loadAddon } from '../../native/addon';
import type { NativeAddon } from '../../native/types/addon';
import { networkName } from '../../network/names';
import type { PruneReport } from '../../prune/report';
import { percentOf } from '../../recipe/ratio';
import type { RetrainRecipe, SearchRecipe } from '../../recipe/recipe';
import { RunDirectory } from '../../run/directory';
import type { EpochMetrics } from '../../run/metrics';
import type { Observer } from '../../run/observer';
import type { RunResult } from '../../run/result';
import { summaryRow } from '../../run/result';
import type { DetectorRule } from '../../ticket/detector';
import { overlapOf, storedMasks, writeMatrix } from '../../ticket/distance';
import type { LayerChannels, MaskMatrix, ReportInput } from '../input';
import { writeReport } from '../write';

type Params = Provenance & { command: string; recipe: Record<string, unknown>; seed: number };

/** The matrices of a search, written beside its masks as overlap_{p}.npy and returned for drawing. */
export async function matricesOf(
  addon: NativeAddon,
  folder: string,
  ratios: readonly number[],
  result: RunResult,
  network: string,
  detector: DetectorChoice,
): Promise<MaskMatrix[]> {
  const matrices: MaskMatrix[] = [];
  for (const ratio of ratios) {
    const series = await storedMasks(folder, ratio);
    if (!series || series.masks.length === 0) continue;
    const overlap = overlapOf(addon, series);
    await writeMatrix(folder, series, overlap);
    const emergedAt = result.tickets[percentOf(ratio)]?.completed ?? null;
    matrices.push({ network, ratio, epochs: series.epochs, overlap, emergedAt, ...comparisonOf(detector) });
  }
  return matrices;
}

export interface DetectorChoice {
  detectorWindow: number;
  detectorRule: DetectorRule;
}

/** The masks that a detector looks at together: `consecutive` counts distances, and has one more mask than those. */
export function comparisonOf({
  detectorWindow,
  detectorRule,
}: DetectorChoice): Pick<MaskMatrix, 'window' | 'compared'> {
  return detectorRule === 'consecutive'
    ? { window: detectorWindow + 1, compared: 'adjacent' }
    : { window: detectorWindow, compared: 'newest' };
}

export function channelsOf(name: string, report: PruneReport): LayerChannels {
  return { name, ratio: report.ratio, layers: report.layers };
}

export async function metricsOf(folder: string): Promise<EpochMetrics[]> {
  return RunDirectory.at(folder).readMetrics();
}

/** Report of a search: curves, distances, matrices. Also writes overlap_{p}.npy. Returns the HTML's path. */
export function reportSearch(recipe: SearchRecipe, result: RunResult, observer?: Observer): Promise<string | null> {
  return tryReport(recipe.save, observer, async () => {
    const network = networkName(recipe.arch, recipe.depth!);
    const input = await reportInput(recipe.save, {
      title: `Early-Bird search: ${network}`,
      threshold: recipe.detectorThreshold,
    });
    input.runs = [{ name: 'search (dense)', phase: 'search', metrics: await metricsOf(recipe.save) }];
    input.matrices = await matricesOf(loadAddon(), recipe.save, recipe.ratios, result, network, recipe);
    input.summary = [summaryRow('search (dense)', result)];
    return input;
  });
}

/** Report of a retraining alone: its curves and costs. Returns the HTML's path. */
export function reportRetrain(recipe: RetrainRecipe, result: RunResult, observer?: Observer): Promise<string | null> {
  return tryReport(recipe.save, observer, async () => {
    const name =
      recipe.scratch === undefined ? 'dense' : recipe.reinit ? 'ticket, new weights' : 'ticket, inherited weights';
    const input = await reportInput(recipe.save, {
      title: `Training: ${networkName(recipe.arch, recipe.depth!)}, ${name}`,
    });
    input.runs = [{ name, phase: 'retrain', metrics: await metricsOf(recipe.save) }];
    input.summary = [summaryRow(name, result)];
    return input;
  });
}

/** Fills in dataset, recipe, provenance and energy from what is in `folder`. */
export async function reportInput(
  folder: string,
  parts: Partial<ReportInput> & { title: string },
): Promise<ReportInput> {
  const params = (await RunDirectory.at(folder).readJson<Params>('params.json'))!;
  const energy = await readEnergy(folder);
  return {
    dataset: params.dataset,
    recipe: params.recipe,
    provenance: provenanceTable(params),
    runs: [],
    matrices: [],
    channels: [],
    drawing: [],
    summary: [],
    energy: energy && { phases: energy.phases, sources: energy.sources.map(sourceText) },
    ...parts,
  };
}

function provenanceTable(params: Params): Record<string, string> {
  const { earlybird, node, libtorch, device, deviceName, precision, threads, gitCommit, commandLine, seed, dataset } =
    params;
  return {
    earlybird,
    'git commit': gitCommit ?? 'unknown',
    LibTorch: libtorch,
    Node: node,
    device: `${device} (${deviceName})`,
    precision,
    threads: String(threads),
    seed: String(seed),
    'dataset fingerprint': dataset.fingerprint,
    'command line': commandLine,
  };
}

/** The report of a run that had finished before: the one that is there, or a new one where a kill came before it was drawn. */
export async function reportOnce(
  folder: string,
  reused: boolean,
  draw: () => Promise<string | null>,
): Promise<string | null> {
  const html = join(folder, 'report', 'index.html');
  return reused && existsSync(html) ? html : draw();
}

/** Writes report/ in `folder`; a report that cannot be drawn is logged and does not fail the run. Returns the HTML's path. */
export async function tryReport(
  folder: string,
  observer: Observer | undefined,
  compose: () => Promise<ReportInput>,
): Promise<string | null> {
  try {
    const { html, notes } = await writeReport(join(folder, 'report'), await compose());
    for (const note of notes) observer?.log?.(note);
    return html;
  } catch (error) {
    observer?.log?.(`warning: the report was not written: ${(error as Error).message}`);
    return null;
  }
}
