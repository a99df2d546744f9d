import { basename, extname, join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { FIGURE_FORMATS } from '../recipe/figures';
import { csvOf } from './figure-data';
import { FIGURES } from './figures';
import { type HtmlFigure, renderHtml } from './html';
import type { ReportInput } from './input';
import { renderPdf } from './pdf';
import { hasFonts, NO_FONTS, renderPng, renderSvg } from './render';
import { NARROW, type Spec } from './theme';

type FigureFormat = (typeof FIGURE_FORMATS)[number];

/** Result of the functions that write figures. */
export interface WrittenFigures {
  /** Paths of the figures' files. */
  figures: string[];
  /** Sentences on figures that could not be written, with a remedy. */
  notes: string[];
}

/**
 * Writes a report into a folder: index.html, each figure as .svg, .png and .pdf, and its numbers as .csv. On a machine
 * without fonts there is no .png or .pdf, and a note says so. Throws ERR_FILE.
 */
export async function writeReport(directory: string, input: ReportInput): Promise<WrittenFigures & { html: string }> {
  const shown: HtmlFigure[] = [];
  const files: WrittenFigures[] = [];
  for (const { spec, rows, ...figure } of FIGURES) {
    const [wide, narrow] = [await spec(input), await spec(input, NARROW)];
    if (wide === null || narrow === null) continue;
    const svg = await renderSvg(wide);
    const base = join(directory, figure.id);
    const drawn = await writeFigure(base, svg, FIGURE_FORMATS);
    await writeFileAtomic(`${base}.csv`, await csvOf(rows(input)));
    const names = [...drawn.figures, `${base}.csv`].map((file) => basename(file));
    const saves = names.map((href) => ({ format: extname(href).slice(1).toUpperCase(), href }));
    shown.push({ ...figure, saves, wide: svg, narrow: await renderSvg(narrow) });
    files.push(drawn);
  }
  const html = join(directory, 'index.html');
  await writeFileAtomic(html, renderHtml(input, shown), { makeFolder: true });
  return {
    html,
    figures: files.flatMap((file) => file.figures),
    notes: [...new Set(files.flatMap((file) => file.notes))],
  };
}

/** Writes `<base>.svg` and the other formats; writes no files for null, a figure without data. */
export async function writeSpec(
  base: string,
  spec: Spec | null,
  formats: readonly FigureFormat[] = FIGURE_FORMATS,
): Promise<WrittenFigures> {
  return spec === null ? { figures: [], notes: [] } : writeFigure(base, await renderSvg(spec), formats);
}

const RENDERERS = {
  svg: async (svg: string) => svg,
  png: (svg: string) => renderPng(svg),
  pdf: renderPdf,
};

/** Writes the formats that are possible: an SVG needs no fonts, the others do. */
async function writeFigure(base: string, svg: string, formats: readonly FigureFormat[]): Promise<WrittenFigures> {
  const possible = (await hasFonts()) ? formats : formats.filter((format) => format === 'svg');
  const figures: string[] = [];
  for (const format of possible) {
    const file = `${base}.${format}`;
    await writeFileAtomic(file, await RENDERERS[format](svg, basename(base)), { makeFolder: true });
    figures.push(file);
  }
  return { figures, notes: possible.length < formats.length ? [NO_FONTS] : [] };
}
