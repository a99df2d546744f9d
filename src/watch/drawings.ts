/** The figures of a run as files, which are drawn on request and kept until the run goes on. */
import { csvOf } from '../report/figure-data';
import { FIGURES, type FigureEntry } from '../report/figures';
import type { ReportInput } from '../report/input';
import { hasFonts, renderPng, renderSvg } from '../report/render';
import { NARROW, WIDE } from '../report/theme';

/** Formats in which figures can be saved. */
export const SAVED_AS = ['svg', 'png', 'csv'] as const;
export type SavedAs = (typeof SAVED_AS)[number];

/** Figures of one state of a run. */
export class Drawings {
  readonly figures: readonly FigureEntry[];
  private readonly kept = new Map<string, Promise<Uint8Array | null>>();

  constructor(private readonly input: ReportInput) {
    this.figures = FIGURES.filter(({ isThere }) => isThere(input));
  }

  /** A figure in a format; null where there is no such figure, or no font for a PNG. */
  draw(id: string, format: SavedAs, narrow: boolean): Promise<Uint8Array | null> {
    const figure = this.figures.find((one) => one.id === id);
    if (!figure) return Promise.resolve(null);
    const key = `${id} ${format} ${narrow}`;
    const drawn = this.kept.get(key) ?? drawing(figure, this.input, format, narrow);
    this.kept.set(key, drawn);
    return drawn;
  }
}

async function drawing(
  figure: FigureEntry,
  input: ReportInput,
  format: SavedAs,
  narrow: boolean,
): Promise<Uint8Array | null> {
  if (format === 'csv') return Buffer.from(await csvOf(figure.rows(input)));
  const spec = await figure.spec(input, narrow ? NARROW : WIDE);
  if (spec === null || (format === 'png' && !(await hasFonts()))) return null;
  const svg = await renderSvg(spec);
  return format === 'svg' ? Buffer.from(svg) : renderPng(svg);
}
