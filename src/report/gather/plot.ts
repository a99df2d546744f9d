/**
 * Draws several runs in one figure: their mask-distance matrices (paper Fig. 3; reference: plot_overlap.py), or accuracy against drawing
 * epoch (paper Fig. 1).
 */

import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { readNpy } from '../../checkpoint/npy';
import { numbersOf } from '../../checkpoint/value';
import type { Provenance } from '../../engine/provenance';
import { EarlybirdError } from '../../errors';
import { DERIVED, lockFolder } from '../../lock';
import type { Arch } from '../../native/types/network-data';
import { networkName } from '../../network/names';
import { formatsOf, lengthsText, type PrecisionOptions } from '../../recipe/precision';
import type { PlotRecipe } from '../../recipe/recipe';
import { RunDirectory, requireFolder, searchFolderOf } from '../../run/directory';
import { parseTicketFile, ratioKey } from '../../run/names';
import type { RunOptions } from '../../run/observer';
import { type RunResult, ticketAt } from '../../run/result';
import { drawingEpochs, matrices } from '../figures';
import type { MaskMatrix } from '../input';
import type { Dataset } from '../theme';
import { type WrittenFigures, writeSpec } from '../write';
import { drawingCurves } from './drawing-curves';
import { comparisonOf, type DetectorChoice, namedDataset } from './runs';

/** Matches both spellings: the reference writes an underscore, its README a hyphen. */
const MATRIX = /^overlap[_-](\d*\.?\d+)\.npy$/;

type Params = Partial<Provenance> & {
  recipe?: { arch?: Arch; depth?: number; cfg?: unknown[]; data?: string } & Partial<DetectorChoice> & PrecisionOptions;
};

/**
 * Draws the matrices of overlap_{p}.npy in `recipe.folders` in one sheet, or with `recipe.drawing` accuracy against drawing epoch, as
 * SVG, PNG and PDF. Returns their paths.
 *
 * @param recipe from `parseRecipe('plot', ...)`
 * @throws ERR_FILE where a folder has no matrix, or no finished run
 */
export async function plot(recipe: PlotRecipe, { observer }: RunOptions = {}): Promise<WrittenFigures> {
  for (const folder of recipe.folders) requireFolder(folder);
  const params = await RunDirectory.at(recipe.folders[0]!).readJson<Params>('params.json');
  const dataset = params?.dataset
    ? namedDataset(params.dataset, params.recipe?.data)
    : { name: 'unknown dataset', synthetic: false };
  const base = join(
    recipe.output ?? recipe.folders[0]!,
    recipe.name ?? (recipe.drawing ? 'drawing-epoch' : 'mask-distance'),
  );
  using lock = await lockFolder(dirname(base), { name: DERIVED, wait: 10_000 });
  lock.requireWritable();
  const written = recipe.drawing
    ? await writeSpec(
        base,
        drawingEpochs(await drawingCurves(recipe.folders, titlesOf(recipe)), dataset),
        recipe.format,
      )
    : await matrixFigure(base, recipe, dataset);
  for (const note of written.notes) observer?.log?.(note);
  return written;
}

async function matrixFigure(base: string, recipe: PlotRecipe, dataset: Dataset): Promise<WrittenFigures> {
  const titles = titlesOf(recipe);
  const runs = await Promise.all(
    recipe.folders.map((folder, i) => matricesIn(searchFolderOf(folder), recipe.ratios, titles[i])),
  );
  const names = runs.map((run) => run[0]!.network);
  const folders = shortestNames(recipe.folders);
  const list = runs.flatMap((run, i) => {
    const isAlone = names.indexOf(names[i]!) === names.lastIndexOf(names[i]!);
    return isAlone ? run : run.map((matrix) => ({ ...matrix, network: `${names[i]} (${folders[i]})` }));
  });
  const quantity = recipe.overlap ? 'mask overlap' : 'mask distance';
  return writeSpec(base, await matrices(list, dataset, { quantity, initial: recipe.initial }), recipe.format);
}

/**
 * Titles of the folders: one for each, or a single one that names the network of all. Throws ERR_RECIPE for another
 * number.
 */
function titlesOf({ folders, title }: PlotRecipe): (string | undefined)[] {
  if (title === undefined || title.length === 1) return folders.map(() => title?.[0]);
  if (title.length === folders.length) return title;
  throw new EarlybirdError(
    'ERR_RECIPE',
    `--title has ${title.length} texts for ${folders.length} folders: give one for each, or one for all.`,
  );
}

/** Names folders by the ends of their paths, as long as needed to tell them apart. */
export function shortestNames(folders: readonly string[]): string[] {
  const paths = folders.map((folder) => relative('/', resolve(folder)).split(sep));
  const longest = Math.max(...paths.map((path) => path.length));
  for (let length = 1; length < longest; length++) {
    const names = paths.map((path) => path.slice(-length).join('/'));
    if (new Set(names).size === new Set(paths.map(String)).size) return names;
  }
  return paths.map((path) => path.join('/'));
}

async function matricesIn(
  folder: string,
  ratios: PlotRecipe['ratios'],
  title: string | undefined,
): Promise<MaskMatrix[]> {
  const names = await readdir(folder).catch(() => {
    throw new EarlybirdError('ERR_FILE', `${folder} cannot be read: give the folder of a run.`);
  });
  const found = new Map(
    names.flatMap((name) => (MATRIX.test(name) ? [[Number(MATRIX.exec(name)![1]), name] as const] : [])),
  );
  const wanted = ratios ?? [...found.keys()].sort((a, b) => a - b);
  const missing = wanted.find((ratio) => !found.has(ratio));
  if (wanted.length === 0 || missing !== undefined) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${folder} has no overlap_${missing ?? '{p}'}.npy: run earlybird distance --save ${folder} first.`,
    );
  }
  return Promise.all(wanted.map((ratio) => readMatrix(folder, found.get(ratio)!, ratio, title)));
}

async function readMatrix(folder: string, name: string, ratio: number, title: string | undefined): Promise<MaskMatrix> {
  const tensor = await readNpy(join(folder, name));
  const side = tensor.shape[0] ?? 0;
  if (tensor.shape.length !== 2 || tensor.shape[1] !== side) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${join(folder, name)} has shape (${tensor.shape.join(', ')}), but must be square.`,
    );
  }
  const run = RunDirectory.at(folder);
  const params = await run.readJson<Params>('params.json');
  const result = await run.readJson<RunResult>('result.json');
  const { arch, depth, cfg, detector, detectorWindow = 5, detectorRule = 'reference' } = params?.recipe ?? {};
  const named = arch !== undefined && depth !== undefined ? networkName(arch, depth, cfg) : basename(resolve(folder));
  const formats = formatsOf(params?.recipe ?? {});
  return {
    network: (title ?? named) + (formats ? `, ${lengthsText(formats)}` : ''),
    ratio,
    epochs: await rowsOf(run, name, side),
    overlap: numbersOf(tensor),
    emergedAt: await emergedAt(folder, result, ratio),
    ...comparisonOf({ ...(detector ? { detector } : {}), detectorWindow, detectorRule }),
  };
}

/** Completed epochs of each row, as stored beside the matrix, else counted from 1 as the reference's script does. */
async function rowsOf(run: RunDirectory, name: string, side: number): Promise<number[]> {
  const written = await run.readJson<{ completed: number[] }>(name.replace(/npy$/, 'json'));
  if (written?.completed.length === side) return written.completed;
  return Array.from({ length: side }, (_, i) => 1 + i);
}

/**
 * Completed epochs at emergence, from the result of a search, else from the names of the tickets: EB-30-12.pth.tar was
 * drawn after 11 epochs.
 */
async function emergedAt(folder: string, result: RunResult | null, ratio: number): Promise<number | null> {
  if (result) return ticketAt(result, ratio)?.completed ?? null;
  const tickets = (await readdir(folder)).map(parseTicketFile).filter((ticket) => ticket?.key === ratioKey(ratio));
  return tickets.length === 0 ? null : Math.min(...tickets.map((ticket) => ticket!.number - 1));
}
