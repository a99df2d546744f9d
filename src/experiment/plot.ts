/** Draws the mask-distance matrices of one or several runs in one sheet (paper Fig. 3; reference: plot_overlap.py). */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { readNpy } from '../checkpoint/npy';
import { numbersOf } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { MaskMatrix } from '../report/input';
import { type WrittenFigures, writeMatrixSheet } from '../report/write';
import type { RunResult } from './network-run';
import type { RunOptions } from './observer';
import type { Provenance } from './provenance';
import { type PlotRecipe, percentOf } from './recipe';
import { RunDirectory } from './run-directory';
import { networkName } from './run-report';

/** Both spellings: the release writes an underscore, its README a hyphen. */
const MATRIX = /^overlap[_-](\d*\.?\d+)\.npy$/;

type Params = Partial<Provenance> & { recipe?: { arch?: string; depth?: number; detectorWindow?: number } };

export async function plot(recipe: PlotRecipe, { observer }: RunOptions = {}): Promise<WrittenFigures> {
  const matrices = (await Promise.all(recipe.folders.map((folder) => matricesIn(folder, recipe)))).flat();
  const params = await RunDirectory.at(recipe.folders[0]!).readJson<Params>('params.json');
  const dataset = params?.dataset ?? { name: 'unknown dataset', synthetic: false };
  const base = join(recipe.output ?? recipe.folders[0]!, recipe.name);
  const shown = recipe.overlap ? matrices.map(inverted) : matrices;
  const written = await writeMatrixSheet(base, shown, dataset, recipe.overlap ? 'mask overlap' : 'mask distance');
  for (const note of written.notes) observer?.log?.(note);
  return written;
}

/** The sheet draws 1 - overlap, so a sheet of overlaps is one of inverted matrices. */
function inverted(matrix: MaskMatrix): MaskMatrix {
  return { ...matrix, overlap: matrix.overlap.map((value) => 1 - value) };
}

async function matricesIn(folder: string, { ratios, title }: PlotRecipe): Promise<MaskMatrix[]> {
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
  const { arch, depth, detectorWindow } = params?.recipe ?? {};
  const named = arch !== undefined && depth !== undefined ? networkName(arch, depth) : basename(resolve(folder));
  return {
    network: title ?? named,
    ratio,
    epochs: await rowsOf(folder, ratio, side),
    overlap: numbersOf(tensor),
    emergedAt: result?.tickets?.[percentOf(ratio)]?.completed ?? null,
    window: detectorWindow ?? 5,
  };
}

/** Completed epochs of each row: from the masks where their number fits, else from 1, as the reference's script does. */
async function rowsOf(folder: string, ratio: number, side: number): Promise<number[]> {
  const stored = existsSync(join(folder, 'masks')) ? await RunDirectory.at(folder).readMasks(percentOf(ratio)) : null;
  const first = stored && stored.rows.length === side ? stored.index.first : 1;
  return Array.from({ length: side }, (_, i) => first + i);
}
