import path from 'node:path';
import { writeFileAtomic } from '../atomic';
import { FIGURES } from './figures';
import { type HtmlFigure, renderHtml } from './html';
import type { ReportInput } from './input';
import { hasFonts, NO_FONTS, renderPng, renderSvg } from './render';
import type { Spec } from './theme';

/** Result of the functions that write figures. */
export interface WrittenFigures {
  /** Paths of the .svg and .png files. */
  figures: string[];
  /** Sentences on figures that could not be written, with a remedy. */
  notes: string[];
}

/**
 * Writes a report into a folder: index.html, and each figure as .svg and .png. Without fonts on the machine there are no .png files, and
 * a note says so. Throws ERR_FILE.
 */
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

/** Writes `<base>.svg` and `<base>.png`; no files for null, a figure without data. */
export async function writeSpec(base: string, spec: Spec | null): Promise<WrittenFigures> {
  return spec === null ? { figures: [], notes: [] } : writeFigure(base, await renderSvg(spec));
}

/** An SVG needs no fonts, a PNG does. */
async function writeFigure(base: string, svg: string): Promise<WrittenFigures> {
  const [vector, raster] = [`${base}.svg`, `${base}.png`];
  await writeFileAtomic(vector, svg, { makeFolder: true });
  if (!(await hasFonts())) return { figures: [vector], notes: [NO_FONTS] };
  await writeFileAtomic(raster, await renderPng(svg));
  return { figures: [vector, raster], notes: [] };
}
