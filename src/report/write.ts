/** Writes figures and the page of a report. */
import path from 'node:path';
import { writeFileAtomic } from '../atomic';
import { accuracyAgainstCost, drawingEpochs, FIGURES, matrices } from './figures';
import type { Quantity } from './figures/matrices';
import { type HtmlFigure, renderHtml } from './html';
import type { CostPoint, DrawingCurve, MaskMatrix, ReportInput } from './input';
import { hasFonts, NO_FONTS, renderPng, renderSvg } from './render';
import type { Dataset } from './theme';

export interface WrittenFigures {
  /** Paths of the .svg and .png files. */
  figures: string[];
  /** What could not be done and how to mend it, for the log; empty as a rule. */
  notes: string[];
}

export async function writeReport(directory: string, input: ReportInput): Promise<WrittenFigures & { html: string }> {
  const shown: HtmlFigure[] = [];
  const files: WrittenFigures[] = [];
  for (const { spec, ...figure } of FIGURES) {
    const drawn = await spec(input);
    if (drawn === null) continue;
    const svg = await renderSvg(drawn);
    shown.push({ ...figure, svg });
    files.push(await writeFigure(path.join(directory, figure.id), svg));
  }
  const html = path.join(directory, 'index.html');
  await writeFileAtomic(html, renderHtml(input, shown), { makeFolder: true });
  return {
    html,
    figures: files.flatMap((file) => file.figures),
    notes: [...new Set(files.flatMap((file) => file.notes))],
  };
}

/** Writes `<base>.svg` and `<base>.png`; no file where there is no matrix to draw. */
export async function writeMatrixSheet(
  base: string,
  list: MaskMatrix[],
  dataset: Dataset,
  quantity: Quantity = 'mask distance',
): Promise<WrittenFigures> {
  const spec = await matrices(list, dataset, quantity);
  return spec === null ? { figures: [], notes: [] } : writeFigure(base, await renderSvg(spec));
}

/** Writes `<base>.svg` and `<base>.png`: accuracy against drawing epoch. */
export async function writeDrawingEpochs(
  base: string,
  curves: DrawingCurve[],
  dataset: Dataset,
): Promise<WrittenFigures> {
  const spec = drawingEpochs(curves, dataset);
  return spec === null ? { figures: [], notes: [] } : writeFigure(base, await renderSvg(spec));
}

/** Writes `<base>.svg` and `<base>.png`: accuracy against a cost. */
export async function writeAccuracyAgainstCost(
  base: string,
  points: CostPoint[],
  quantity: string,
  dataset: Dataset,
): Promise<WrittenFigures> {
  const spec = accuracyAgainstCost(points, quantity, dataset);
  return spec === null ? { figures: [], notes: [] } : writeFigure(base, await renderSvg(spec));
}

/** A machine without fonts still gets the SVG, which takes its font from whoever looks at it. */
async function writeFigure(base: string, svg: string): Promise<WrittenFigures> {
  const [vector, raster] = [`${base}.svg`, `${base}.png`];
  await writeFileAtomic(vector, svg, { makeFolder: true });
  if (!(await hasFonts())) return { figures: [vector], notes: [NO_FONTS] };
  await writeFileAtomic(raster, await renderPng(svg));
  return { figures: [vector, raster], notes: [] };
}
