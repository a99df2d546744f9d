/**
 * Draws the figures of a study: accuracy against drawing epoch with intervals (the paper's figure 1), and its controls
 * as a dot plot.
 */
import type { DotPoint, StudyCurve } from '../input';
import {
  bottomLegend,
  type Dataset,
  epochAxis,
  finite,
  frame,
  type Layout,
  MUTED,
  ratioLabel,
  rule,
  type Spec,
  WIDE,
} from '../theme';

const HEIGHT = 220;
const PADDING = 10;

/** Curves of a study. A star marks the draw of the best checkpoint; a band is the interval over seeds. */
export function studyCurves(
  curves: StudyCurve[],
  network: string,
  dataset: Dataset,
  layout: Layout = WIDE,
): Spec | null {
  const values = curves.flatMap(({ ratio, points }) =>
    points.flatMap(({ low, high, top1, ...point }) => {
      const value = finite(top1);
      return value === null
        ? []
        : [{ ...point, ratio: ratioLabel(ratio), top1: value, low: low ?? value, high: high ?? value }];
    }),
  );
  if (values.length === 0) return null;
  const epochs = values.map(({ epoch }) => epoch);
  const ratios = [...new Set(values.map(({ ratio }) => ratio))];
  const x = {
    field: 'epoch',
    type: 'quantitative',
    title: 'epoch the ticket is drawn at (mean over seeds)',
    scale: { zero: false, nice: false, padding: PADDING },
    axis: epochAxis(Math.min(...epochs), Math.max(...epochs)),
  };
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    title: 'top-1 after retraining (%)',
    scale: { zero: false, padding: PADDING },
  });
  // The legend is shared with the bands, which are fainter than the points.
  const legend = { ...bottomLegend(layout), symbolOpacity: 1 };
  const color = { field: 'ratio', type: 'nominal', scale: { domain: ratios }, legend };
  const isStar = ({ draw }: { draw: string }) => draw === 'best';
  const marks = (list: typeof values, mark: Spec): Spec => ({
    data: { values: list },
    mark: { type: 'point', filled: true, opacity: 1, ...mark },
    encoding: { x, y: y('top1'), color },
  });
  const interval = (mark: Spec): Spec => ({
    data: { values },
    mark,
    encoding: { x, y: y('low'), y2: { field: 'high' }, color },
  });
  const layer = [
    ...denseLine(curves, layout),
    interval({ type: 'area', opacity: 0.15 }),
    { data: { values }, mark: { type: 'line', strokeWidth: 1.4 }, encoding: { x, y: y('top1'), color } },
    interval({ type: 'rule', strokeWidth: 1, opacity: 0.6 }),
    marks(
      values.filter((value) => !isStar(value)),
      { size: 34 },
    ),
    marks(values.filter(isStar), { size: 160, shape: STAR }),
  ];
  return frame(dataset, {
    concat: [{ title: network, width: Math.min(420, layout.width), height: HEIGHT, layer }],
  });
}

/** Path of a star with five points, from -1 to 1 as vega's own shapes. */
const STAR = Array.from({ length: 10 }, (_, i) => {
  const [radius, angle] = [i % 2 === 0 ? 1 : 0.4, (Math.PI * i) / 5];
  return `${i === 0 ? 'M' : 'L'}${(radius * Math.sin(angle)).toFixed(4)},${(-radius * Math.cos(angle)).toFixed(4)}`;
})
  .join('')
  .concat('Z');

function denseLine(curves: readonly StudyCurve[], layout: Layout): Spec[] {
  const dense = curves.map((curve) => finite(curve.dense)).find((value) => value !== null);
  if (dense === undefined || dense === null) return [];
  const legend = { ...bottomLegend(layout), symbolType: 'stroke', symbolStrokeColor: MUTED };
  const strokeDash = { field: 'label', type: 'nominal', scale: { range: [[5, 3]] }, legend };
  const y = { field: 'dense', type: 'quantitative' };
  return [rule({ color: MUTED, strokeWidth: 1 }, { y, strokeDash }, [{ dense, label: `dense ${dense.toFixed(2)} %` }])];
}

/** Dot plot with a row for the ticket and each control, and a panel for each draw. */
export function controlDots(dots: DotPoint[], network: string, dataset: Dataset, layout: Layout = WIDE): Spec | null {
  const shown = dots.filter(({ value }) => finite(value) !== null);
  if (shown.length === 0) return null;
  const groups = [...new Set(shown.map(({ group }) => group))];
  const ratios = [...new Set(shown.map(({ ratio }) => ratioLabel(ratio)))];
  const names = [...new Set(shown.map(({ name }) => name))];
  const columns = Math.min(2, layout.columns, groups.length);
  return frame(dataset, {
    columns,
    concat: groups.map((group) => ({
      title: `${network}: tickets at ${group}`,
      width: layout.width / columns - (columns > 1 ? 70 : 60),
      height: { step: ratios.length > 1 ? 9 : 20 },
      layer: panel(
        shown.filter((dot) => dot.group === group),
        names,
        ratios,
        layout,
      ),
    })),
    resolve: { scale: { color: 'shared' } },
  });
}

function panel(dots: readonly DotPoint[], names: string[], ratios: string[], layout: Layout): Spec[] {
  const values = dots.map(({ ratio, name, value, low, high }) => ({
    ...{ name, value, low: low ?? value, high: high ?? value },
    ratio: ratioLabel(ratio),
  }));
  const x = (field: string) => ({
    field,
    type: 'quantitative',
    title: 'top-1 after retraining (%)',
    scale: { zero: false, padding: PADDING },
  });
  const y = { field: 'name', type: 'nominal', title: null, scale: { domain: names } };
  const yOffset = { field: 'ratio', scale: { domain: ratios } };
  const color = { field: 'ratio', type: 'nominal', scale: { domain: ratios }, legend: bottomLegend(layout) };
  return [
    {
      data: { values },
      mark: { type: 'rule', strokeWidth: 1.4 },
      encoding: { x: x('low'), x2: { field: 'high' }, y, yOffset, color },
    },
    {
      data: { values },
      mark: { type: 'point', filled: true, size: 44, opacity: 1 },
      encoding: { x: x('value'), y, yOffset, color },
    },
  ];
}
