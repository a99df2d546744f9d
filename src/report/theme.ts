/** Fonts, colours, sizes and the data label that all figures share. */
import { knownDataset } from '../data/known';
import { epochsText } from '../run/names';

/** A vega-lite specification, or a part of one: plain data. */
export type Spec = { [key: string]: unknown };

export interface Dataset {
  name: string;
  synthetic: boolean;
  train?: number;
  test?: number;
}

/** Sans-serif fonts of equal metrics; a bare Linux machine usually has one of the last two. */
export const FONT = 'Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif';

/** The only size of type, in pixels: 8 points in a figure that is as wide as the text of a paper. */
export const FONT_SIZE = 11;

/** Room for a figure: pixels that its panels share, without axes, and the most panels beside each other. */
export interface Layout {
  width: number;
  columns: number;
  /** Pixels beside the panels that a colour bar may take. */
  aside: number;
}

/** Layout for paper: with axes about 7 inches, the width of its text. */
export const WIDE: Layout = { width: 600, columns: 4, aside: 40 };
/** Layout for a phone, with panels below each other. */
export const NARROW: Layout = { width: 210, columns: 1, aside: 0 };

/** Okabe and Ito's palette, which colour-blind readers can tell apart, without its yellow (too faint for a line on white). */
export const SERIES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#000000', '#56b4e9'];

export const INK = '#333333';
export const MUTED = '#777777';
export const FAINT = '#d9d9d9';
export const MARKER = '#d62728';

const CONFIG: Spec = {
  aria: false,
  font: FONT,
  background: 'white',
  padding: 8,
  view: { stroke: INK, strokeWidth: 0.6 },
  axis: {
    grid: false,
    domain: false,
    tickColor: INK,
    tickSize: 4,
    tickWidth: 0.6,
    labelColor: INK,
    labelFontSize: FONT_SIZE,
    labelPadding: 3,
    labelFlush: false,
    labelBound: false,
    titleColor: INK,
    titleFontSize: FONT_SIZE,
    titleFontWeight: 'normal',
    titlePadding: 6,
  },
  legend: {
    labelColor: INK,
    labelFontSize: FONT_SIZE,
    labelLimit: 0,
    columnPadding: 12,
    layout: { bottom: { direction: 'vertical', anchor: 'middle', margin: 4 } },
    symbolStrokeWidth: 1.8,
    titleColor: INK,
    titleFontSize: FONT_SIZE,
    titleFontWeight: 'normal',
  },
  title: {
    color: INK,
    fontSize: FONT_SIZE,
    fontWeight: 'bold',
    subtitleColor: MUTED,
    subtitleFontSize: FONT_SIZE,
    offset: 6,
  },
  concat: { spacing: 22 },
  range: { category: SERIES },
};

/** Name of the data as people write it; marks synthetic data as such. */
export function datasetLabel({ name, synthetic }: Dataset): string {
  if (!synthetic) return knownDataset(name)?.title ?? name;
  return `Synthetic data${name === 'synthetic' ? '' : ` (${name})`}, not real images`;
}

/** Adds the configuration and the data label to a figure. */
export function frame(dataset: Dataset, body: Spec): Spec {
  const text = datasetLabel(dataset);
  const color = dataset.synthetic ? MARKER : MUTED;
  const title = { text, anchor: 'start', frame: 'bounds', color, fontWeight: 'normal', offset: 10 };
  return { config: CONFIG, ...(text ? { title } : {}), ...body };
}

/** A finite number, or null, at which a line breaks; JSON has no NaN or infinity. */
export function finite(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function ratioLabel(ratio: number): string {
  return `p = ${Number(ratio.toFixed(4))}`;
}

/** A legend below the figure, in as many columns as there is room for. */
export const bottomLegend = ({ columns }: Layout, most = 3) => ({
  orient: 'bottom',
  direction: 'horizontal',
  title: null,
  columns: columns === 1 ? 1 : most,
});

/** At most `most` round epochs from the first to the last, or the only one there is. */
export function epochTicks(first: number, last: number, most = 5): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((size) => last - first < most * size) ?? 5000;
  const start = Math.ceil(first / step) * step;
  return Array.from({ length: Math.floor((last - start) / step) + 1 }, (_, i) => start + i * step);
}

/** Text that says when a ticket emerged. */
export function emergenceText(completed: number): string {
  return `ticket after ${epochsText(completed)}`;
}

/** An axis of whole epochs. */
export const epochAxis = (first: number, last: number, most?: number) => ({
  values: epochTicks(first, last, most),
  format: 'd',
});

/** A straight line across the panel for each value. */
export function rule(style: Spec, encoding: Spec, values: Spec[] = [{}]): Spec {
  return { data: { values }, mark: { type: 'rule', ...style }, encoding };
}

/** A small text for each value. */
export function label(style: Spec, encoding: Spec, values: Spec[] = [{}]): Spec {
  return { data: { values }, mark: { type: 'text', fontSize: FONT_SIZE, color: MUTED, ...style }, encoding };
}
