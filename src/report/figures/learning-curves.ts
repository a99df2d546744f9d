/**
 * Draws loss and top-1 of every run (training dashed, test solid, weight average dotted), and the steps of the learning
 * rate.
 */
import type { EpochMetrics } from '../../run/metrics';
import type { RunCurves } from '../input';
import {
  bottomLegend,
  type Dataset,
  epochAxis,
  FONT_SIZE,
  finite,
  frame,
  type Layout,
  label,
  MUTED,
  rule,
  SERIES,
  type Spec,
  WIDE,
} from '../theme';

const PANELS = [
  { title: 'cross-entropy loss', field: 'loss' },
  { title: 'top-1 accuracy (%)', field: 'top1' },
] as const;

const SPLITS = ['train', 'test', 'swa'] as const;
const DASHES = { train: [3, 2], test: [], swa: [1, 1] };
const HEIGHT = 200;
/** Multiple of the ninth decile above which a value flattens all curves. */
const OUTLYING = 5;

interface Point {
  run: string;
  split: (typeof SPLITS)[number];
  completed: number;
  value: number | null;
}

/** A change of the learning rate after a number of completed epochs. */
export interface RateStep {
  completed: number;
  label: string;
}

export function learningCurves(runs: RunCurves[], dataset: Dataset, layout: Layout = WIDE): Spec | null {
  const shown = runs.filter((run) => run.metrics.length > 0);
  if (shown.length === 0) return null;
  const columns = Math.min(PANELS.length, layout.columns);
  const width = layout.width / columns - (columns > 1 ? 10 : 0);
  const last = Math.max(1, ...shown.flatMap(({ metrics }) => metrics.map((line) => line.completed)));
  const steps = stepMarks(learningRateSteps(shown), last, width);
  return frame(dataset, {
    columns,
    concat: PANELS.map((panel) => ({ width, height: HEIGHT, ...panelOf(shown, panel, last, steps, layout) })),
    resolve: { scale: { color: 'shared', strokeDash: 'shared' } },
  });
}

function panelOf(
  runs: RunCurves[],
  { title, field }: (typeof PANELS)[number],
  last: number,
  steps: Spec[],
  layout: Layout,
): Spec {
  const values = runs.flatMap((run) => run.metrics.flatMap((line) => pointsOf(run.name, line, field)));
  const outlying = outlyingPoints(values);
  const top = outlying.length > 0 ? Math.max(...values.flatMap((p) => (outlying.includes(p) ? [] : p.value!))) : null;
  const axis = epochAxis(0, last, layout.columns === 1 ? 5 : 9);
  const scale = { domain: [0, last], nice: false };
  const x = { field: 'completed', type: 'quantitative', title: 'epoch', scale, axis };
  const y = {
    field: 'value',
    type: 'quantitative',
    title,
    scale: { zero: false, ...(top === null ? {} : { domainMax: top }) },
  };
  const color = {
    field: 'run',
    type: 'nominal',
    scale: { domain: runs.map((run) => run.name), range: SERIES },
    legend: { ...bottomLegend(layout), symbolType: 'stroke' },
  };
  const present = SPLITS.filter((split) => runs.some(({ metrics }) => metrics.some((line) => line[split])));
  const strokeDash = {
    field: 'split',
    type: 'nominal',
    scale: { domain: present, range: present.map((split) => DASHES[split]) },
    legend: { ...bottomLegend(layout), symbolType: 'stroke' },
  };
  const data = { values };
  const clip = outlying.length > 0;
  const lines = { data, mark: { type: 'line', strokeWidth: 1.4, clip }, encoding: { x, y, color, strokeDash } };
  // A line through few epochs is hard to see without its points.
  const short = Math.max(...runs.map((run) => run.metrics.length)) <= 10;
  const within = { values: values.filter((point) => !outlying.includes(point)) };
  const dots = { data: within, mark: { type: 'circle', size: 16, opacity: 1 }, encoding: { x, y, color } };
  return { ...outlyingTitle(outlying), layer: [...steps, lines, ...(short ? [dots] : [])] };
}

/** Values that would flatten all others. They stay outside the axis, and the panel says so. */
export function outlyingPoints(points: Point[]): Point[] {
  const sorted = points.flatMap(({ value }) => value ?? []).sort((a, b) => a - b);
  const limit = OUTLYING * (sorted[Math.floor(0.9 * (sorted.length - 1))] ?? Number.POSITIVE_INFINITY);
  return limit > 0 ? points.filter(({ value }) => value !== null && value > limit) : [];
}

function outlyingTitle(points: Point[]): Spec {
  if (points.length === 0) return {};
  const largest = points.reduce((a, b) => (b.value! > a.value! ? b : a));
  const value = largest.value!.toLocaleString('en-US', { maximumSignificantDigits: 3 });
  const more = points.length > 1 ? `, and ${points.length - 1} more` : '';
  const text = `above the axis: ${value} (${largest.split}, epoch ${largest.completed})${more}`;
  return { title: { text, color: MUTED, fontWeight: 'normal', anchor: 'start', frame: 'group' } };
}

function pointsOf(run: string, line: EpochMetrics, field: 'loss' | 'top1'): Point[] {
  return SPLITS.flatMap((split) => {
    const values = line[split];
    return values ? [{ run, split, completed: line.completed, value: finite(values[field]) }] : [];
  });
}

/** Changes of the learning rate, each once for all runs; a run that begins at a later epoch continues the others. */
export function learningRateSteps(runs: RunCurves[]): RateStep[] {
  const lines = runs.flatMap(({ metrics }) => metrics);
  const steps = new Map<string, RateStep>();
  for (const { metrics } of runs) {
    metrics.forEach((line, i) => {
      const before = i > 0 ? metrics[i - 1] : lines.find(({ completed }) => completed === line.epoch);
      if (!before || line.lr === before.lr || !Number.isFinite(line.lr)) return;
      const step = { completed: line.epoch, label: `lr ${Number(line.lr.toPrecision(3))}` };
      steps.set(`${step.completed} ${step.label}`, step);
    });
  }
  return [...steps.values()].sort((a, b) => a.completed - b.completed);
}

/** Lines through the panel, with labels above it in as many rows as they need. */
function stepMarks(steps: RateStep[], last: number, width: number): Spec[] {
  if (steps.length === 0) return [];
  const ends: number[] = [];
  const placed = steps.map((step) => {
    const half = 0.31 * FONT_SIZE * step.label.length + 3;
    const centre = Math.min((step.completed / last) * width, width - half);
    const free = ends.findIndex((end) => end < centre - half);
    const row = free < 0 ? ends.length : free;
    ends[row] = centre + half;
    return { ...step, row, centre };
  });
  const x = { field: 'completed', type: 'quantitative' };
  return [
    rule(
      { color: MUTED, strokeWidth: 0.7, strokeDash: [1, 2] },
      { x },
      steps.map((step) => ({ ...step })),
    ),
    ...placed.map(({ label: text, row, centre }) =>
      label(
        { align: 'center', baseline: 'bottom' },
        { x: { value: centre }, y: { value: -3 - row * (FONT_SIZE + 2) }, text: { value: text } },
      ),
    ),
  ];
}
