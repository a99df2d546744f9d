/** Reads the common parts of the reports of search, retrain and train from the folders of finished runs. */

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { sweep } from '../../atomic';
import { readEnergy, sourceText } from '../../energy/file';
import type { Provenance } from '../../engine/provenance';
import { DERIVED, lockFolder } from '../../lock';
import { loadAddon } from '../../native/addon';
import type { Arch } from '../../native/types/network-data';
import { networkName } from '../../network/names';
import type { DetectorName } from '../../recipe/detectors';
import { formatsOf, formatsText, type PrecisionOptions } from '../../recipe/precision';
import { RunDirectory } from '../../run/directory';
import type { Observer } from '../../run/observer';
import { type RunResult, ticketAt } from '../../run/result';
import type { DetectorRule } from '../../ticket/detector';
import { overlapOf, storedMasks, writeMatrix } from '../../ticket/distance';
import type { MaskMatrix, ReportInput } from '../input';
import { writeReport } from '../write';

/** Entries of params.json that reports show. */
interface Params extends Provenance {
  recipe: { arch: Arch; depth: number; cfg?: unknown[]; data?: string } & PrecisionOptions & Record<string, unknown>;
  seed: number;
}

/** Describes the run in `folder` for a report: network, dataset, recipe, provenance and energy. */
export async function describeRun(folder: string): Promise<{ network: string; input: Omit<ReportInput, 'title'> }> {
  const params = (await RunDirectory.at(folder).readJson<Params>('params.json'))!;
  const { recipe } = params;
  return {
    network: networkName(recipe.arch, recipe.depth, recipe.cfg),
    input: {
      dataset: namedDataset(params.dataset, recipe.data),
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

/** Names class folders, which have no name of their own, after the folder that holds them. */
export function namedDataset<D extends { name: string }>(dataset: D, data: string | undefined): D {
  return dataset.name === 'folder' && data !== undefined ? { ...dataset, name: basename(resolve(data)) } : dataset;
}

export async function energyOf(folder: string): Promise<ReportInput['energy']> {
  const energy = await readEnergy(folder);
  return energy && { phases: energy.phases, sources: energy.sources.map(sourceText) };
}

function provenanceTable(params: Params): Record<string, string> {
  const { earlybird, node, libtorch, device, deviceName, precision, threads, gitCommit, commandLine, seed, dataset } =
    params;
  const formats = formatsOf(params.recipe);
  return {
    earlybird,
    'git commit': gitCommit ?? 'unknown',
    LibTorch: libtorch,
    Node: node,
    device: `${device} (${deviceName})`,
    precision,
    ...(formats ? { formats: formatsText(formats) } : {}),
    threads: String(threads),
    seed: String(seed),
    'dataset fingerprint': dataset.fingerprint,
    'command line': commandLine,
  };
}

/** The entries of a recipe that decide which masks are compared. */
export interface DetectorChoice {
  detector?: DetectorName;
  detectorWindow: number;
  detectorRule: DetectorRule;
}

/**
 * The masks that the detector compares. The rule `consecutive` counts distances, which are one fewer than masks. A
 * detector other than hamming gets a window of one mask, which compares nothing.
 */
export function comparisonOf({
  detector = 'hamming',
  detectorWindow,
  detectorRule,
}: DetectorChoice): Pick<MaskMatrix, 'window' | 'compared'> {
  if (detector !== 'hamming') return { window: 1, compared: 'newest' };
  return detectorRule === 'consecutive'
    ? { window: detectorWindow + 1, compared: 'adjacent' }
    : { window: detectorWindow, compared: 'newest' };
}

/** Matches the files of a run that people look for; the checkpoint of each epoch is not among them. */
export const LISTED =
  /^((EB-\d+-\d+|pruned|checkpoint|model_best|swa)\.pth\.tar|metrics\.jsonl|(params|result|energy|prune)\.json|(record|prune)\.txt|overlap_[\d.]+\.npy)$/;

/** Files of a run and of its stages, relative to its folder. */
export async function listFiles(save: string, stages: readonly string[] = []): Promise<string[]> {
  const folders = await Promise.all(
    ['', ...stages].map(async (stage) => {
      const names = await readdir(join(save, stage)).catch(() => [] as string[]);
      return names
        .filter((name) => LISTED.test(name))
        .sort()
        .map((name) => (stage ? `${stage}/${name}` : name));
    }),
  );
  return folders.flat();
}

/** Computes the matrices of a search, and writes them beside its masks as overlap_{p}.npy. */
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
 * Writes report/ in the folder of a run and returns the path of its HTML; null where the recipe asks for none. A report
 * that cannot be drawn is logged and does not fail the run. The report of a `reused` run is drawn only if it is
 * missing. `stages` are folders within, whose files are linked too.
 */
export async function drawReport(
  { save, report }: { save: string; report: boolean },
  reused: boolean,
  observer: Observer | undefined,
  compose: () => Promise<ReportInput>,
  stages: readonly string[] = [],
): Promise<string | null> {
  if (!report) return null;
  const drawn = join(save, 'report', 'index.html');
  if (reused && existsSync(drawn)) return drawn;
  try {
    using lock = await lockFolder(save, { name: DERIVED, wait: 60_000 });
    lock.requireWritable();
    await sweep(join(save, 'report'));
    const input = await compose();
    const files = await listFiles(save, stages);
    const { html, notes } = await writeReport(join(save, 'report'), { ...input, files });
    for (const note of notes) observer?.log?.(note);
    return html;
  } catch (error) {
    observer?.log?.(`warning: the report was not written: ${(error as Error).message}`);
    return null;
  }
}
