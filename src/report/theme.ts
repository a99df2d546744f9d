/** Fonts, colours and the data label that all figures share. */

/** A vega-lite specification, or a part of one: plain data. */
export type Spec = { [key: string]: unknown };

export interface Dataset {
  name: string;
  synthetic: boolean;
  train?: number;
  test?: number;
}

/** Sans-serif fonts of equal metrics; a bare Linux machine tends to have one of the last two. */
export const FONT = 'Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif';

/** Width that a figure's panels share. With axes it comes to about 7 inches: the text width of a paper, at 8 point type. */
export const WIDTH = 600;

/** Okabe and Ito's palette, which colour-blind readers can tell apart, without its yellow (too faint for a line on white). */
export const SERIES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000'];

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
    labelFontSize: 10,
    labelPadding: 3,
    labelFlush: false,
    labelBound: false,
    titleColor: INK,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    titlePadding: 6,
  },
  legend: {
    labelColor: INK,
    labelFontSize: 10.5,
    labelLimit: 0,
    columnPadding: 12,
    layout: { bottom: { direction: 'vertical', anchor: 'middle', margin: 4 } },
    symbolStrokeWidth: 1.8,
    titleColor: INK,
    titleFontSize: 10.5,
    titleFontWeight: 'normal',
  },
  title: { color: INK, fontSize: 11.5, fontWeight: 'bold', subtitleColor: MUTED, subtitleFontSize: 10.5, offset: 6 },
  concat: { spacing: 22 },
  range: { category: SERIES },
};

/** Name of the data; says that synthetic data is synthetic. */
export function datasetLabel(dataset: Dataset): string {
  return dataset.synthetic ? `Synthetic data (${dataset.name}), not real images` : dataset.name;
}

/** Adds the configuration and the data label to a figure. */
export function frame(dataset: Dataset, body: Spec): Spec {
  const text = datasetLabel(dataset);
  const color = dataset.synthetic ? MARKER : MUTED;
  const title = { text, anchor: 'start', frame: 'bounds', color, fontSize: 10.5, fontWeight: 'normal', offset: 10 };
  return { config: CONFIG, ...(text ? { title } : {}), ...body };
}

/** JSON has no NaN or infinity: a missing value is null, and a line breaks there. */
export function finite(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function ratioLabel(ratio: number): string {
  return `p = ${Number(ratio.toFixed(4))}`;
}

export const BOTTOM_LEGEND = { orient: 'bottom', direction: 'horizontal', title: null };

/** A straight line across the panel for each value. */
export function rule(style: Spec, encoding: Spec, values: Spec[] = [{}]): Spec {
  return { data: { values }, mark: { type: 'rule', ...style }, encoding };
}

/** A small text for each value. */
export function label(style: Spec, encoding: Spec, values: Spec[] = [{}]): Spec {
  return { data: { values }, mark: { type: 'text', fontSize: 9.5, color: MUTED, ...style }, encoding };
}
