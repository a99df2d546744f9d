/** Common parts of the reports of search, retrain and train, read from the folders of finished runs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readEnergy, sourceText } from '../../energy/file';
import type { Provenance } from '../../engine/provenance';
import { DERIVED, lockFolder } from '../../lock';
import { loadAddon } from '../../native/addon';
import { networkName } from '../../network/names';
import { RunDirectory } from '../../run/directory';
import type { Observer } from '../../run/observer';
import { type RunResult, ticketAt } from '../../run/result';
import type { DetectorRule } from '../../ticket/detector';
import { overlapOf, storedMasks, writeMatrix } from '../../ticket/distance';
import type { MaskMatrix, ReportInput } from '../input';
import { writeReport } from '../write';

/** Entries of params.json that reports show. */
interface Params extends Provenance {
  recipe: { arch: string; depth: number } & Record<string, unknown>;
  seed: number;
}

/** Beginning of a report: network, dataset, recipe, provenance and energy of the run in `folder`. */
export async function describeRun(folder: string): Promise<{ network: string; input: Omit<ReportInput, 'title'> }> {
  const params = (await RunDirectory.at(folder).readJson<Params>('params.json'))!;
  const { dataset, recipe } = params;
  return {
    network: networkName(recipe.arch, recipe.depth),
    input: {
      dataset,
      recipe,
      provenance: provenanceTable(params),
      runs: [],
      matrices: [],
      channels: [],
      drawing: [],
      summary: [],
      energy: await energyOf(folder),
    },
  };
}

export async function energyOf(folder: string): Promise<ReportInput['energy']> {
  const energy = await readEnergy(folder);
  return energy && { phases: energy.phases, sources: energy.sources.map(sourceText) };
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

/** The entries of a recipe that decide which masks are compared. */
export interface DetectorChoice {
  detectorWindow: number;
  detectorRule: DetectorRule;
}

/** The masks that a detector compares: `consecutive` counts distances, of which there is one less than masks. */
export function comparisonOf({
  detectorWindow,
  detectorRule,
}: DetectorChoice): Pick<MaskMatrix, 'window' | 'compared'> {
  return detectorRule === 'consecutive'
    ? { window: detectorWindow + 1, compared: 'adjacent' }
    : { window: detectorWindow, compared: 'newest' };
}

/** The matrices of a search, also written beside its masks as overlap_{p}.npy. */
export async function writeMatrices(
  folder: string,
  ratios: readonly number[],
  result: RunResult,
  network: string,
  detector: DetectorChoice,
): Promise<MaskMatrix[]> {
  const addon = loadAddon();
  const matrices: MaskMatrix[] = [];
  for (const ratio of ratios) {
    const series = await storedMasks(folder, ratio);
    if (!series || series.masks.length === 0) continue;
    const overlap = overlapOf(addon, series);
    await writeMatrix(folder, series, overlap);
    const emergedAt = ticketAt(result, ratio)?.completed ?? null;
    matrices.push({ network, ratio, epochs: series.epochs, overlap, emergedAt, ...comparisonOf(detector) });
  }
  return matrices;
}

/**
 * Writes report/ in the folder of a run and returns the path of its HTML; null where the recipe asks for none. A report that cannot be
 * drawn is logged and does not fail the run. That of a `reused` run is drawn only if it is missing.
 */
export async function drawReport(
  { save, report }: { save: string; report: boolean },
  reused: boolean,
  observer: Observer | undefined,
  compose: () => Promise<ReportInput>,
): Promise<string | null> {
  if (!report) return null;
  const drawn = join(save, 'report', 'index.html');
  if (reused && existsSync(drawn)) return drawn;
  try {
    using lock = await lockFolder(save, { name: DERIVED, wait: 60_000 });
    lock.requireWritable();
    const { html, notes } = await writeReport(join(save, 'report'), await compose());
    for (const note of notes) observer?.log?.(note);
    return html;
  } catch (error) {
    observer?.log?.(`warning: the report was not written: ${(error as Error).message}`);
    return null;
  }
}
