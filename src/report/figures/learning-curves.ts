/** Loss and top-1 of every run: training dashed, test solid, weight average dotted, and the steps of the learning rate. */
import type { EpochMetrics } from '../../run/metrics';
import type { RunCurves } from '../input';
import { BOTTOM_LEGEND, type Dataset, finite, frame, label, MUTED, rule, SERIES, type Spec, WIDTH } from '../theme';

/** One panel for each quantity; `labelsAt` is where labels do not cover the curves. */
const PANELS = [
  { title: 'cross-entropy loss', field: 'loss', labelsAt: 'top' },
  { title: 'top-1 accuracy (%)', field: 'top1', labelsAt: 'bottom' },
] as const;

const SPLITS = ['train', 'test', 'swa'] as const;
const DASHES = { train: [3, 2], test: [1, 0], swa: [1, 1] };
const HEIGHT = 200;

export function learningCurves(runs: RunCurves[], dataset: Dataset): Spec | null {
  const shown = runs.filter((run) => run.metrics.length > 0);
  if (shown.length === 0) return null;
  const steps = learningRateSteps(shown);
  const names = shown.map((run) => run.name);
  return frame(dataset, {
    hconcat: PANELS.map((panel) => ({
      width: (WIDTH - 20) / PANELS.length,
      height: HEIGHT,
      layer: [...stepMarks(steps, panel.labelsAt), ...curves(shown, names, panel)],
    })),
    resolve: { scale: { color: 'shared', strokeDash: 'shared' } },
  });
}

function curves(runs: RunCurves[], names: string[], panel: (typeof PANELS)[number]): Spec[] {
  const data = { values: runs.flatMap((run) => run.metrics.flatMap((line) => points(run.name, line, panel.field))) };
  const scale = { zero: true, nice: false };
  const x = { field: 'completed', type: 'quantitative', title: 'epochs', scale, axis: { tickMinStep: 1 } };
  const y = { field: 'value', type: 'quantitative', title: panel.title, scale: { zero: false } };
  const color = {
    field: 'run',
    type: 'nominal',
    scale: { domain: names, range: SERIES },
    legend: { ...BOTTOM_LEGEND, columns: 3, symbolType: 'stroke' },
  };
  const present = SPLITS.filter((split) => runs.some(({ metrics }) => metrics.some((line) => line[split])));
  const strokeDash = {
    field: 'split',
    type: 'nominal',
    scale: { domain: present, range: present.map((split) => DASHES[split]) },
    legend: { ...BOTTOM_LEGEND, symbolType: 'stroke' },
  };
  const lines = { data, mark: { type: 'line', strokeWidth: 1.4 }, encoding: { x, y, color, strokeDash } };
  // A line through few epochs is hard to see without its points.
  const short = Math.max(...runs.map((run) => run.metrics.length)) <= 10;
  const dots = { data, mark: { type: 'circle', size: 16, opacity: 1 }, encoding: { x, y, color } };
  return short ? [lines, dots] : [lines];
}

function points(run: string, line: EpochMetrics, field: 'loss' | 'top1'): Spec[] {
  return SPLITS.flatMap((split) => {
    const values = line[split];
    return values ? [{ run, split, completed: line.completed, value: finite(values[field]) }] : [];
  });
}

/** Changes of the learning rate by completed epochs, each once for all runs. */
export function learningRateSteps(runs: RunCurves[]): { completed: number; label: string }[] {
  const steps = new Map<string, { completed: number; label: string }>();
  for (const { metrics } of runs) {
    metrics.slice(1).forEach((line, i) => {
      if (line.lr === metrics[i]!.lr || !Number.isFinite(line.lr)) return;
      const step = { completed: line.epoch, label: `lr ${Number(line.lr.toPrecision(3))}` };
      steps.set(`${step.completed} ${step.label}`, step);
    });
  }
  return [...steps.values()].sort((a, b) => a.completed - b.completed);
}

function stepMarks(steps: { completed: number; label: string }[], at: 'top' | 'bottom'): Spec[] {
  if (steps.length === 0) return [];
  const x = { field: 'completed', type: 'quantitative' };
  const y = { value: at === 'top' ? 0 : HEIGHT };
  return [
    rule({ color: MUTED, strokeWidth: 0.7, strokeDash: [1, 2] }, { x }, steps),
    label({ align: 'left', dx: 3, dy: at === 'top' ? 9 : -7 }, { x, y, text: { field: 'label' } }, steps),
  ];
}
