/** Draws accuracy after retraining against the epoch of the ticket (figure 1 of the paper). */
import type { DrawingCurve } from '../input';
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

const COLUMNS = 2;
const HEIGHT = 200;
/** Pixels between the outer points and the frame, so that the frame does not cut them. */
const PADDING = 10;

export function drawingEpochs(curves: DrawingCurve[], dataset: Dataset, layout: Layout = WIDE): Spec | null {
  const shown = curves.filter((curve) => curve.points.some((point) => finite(point.top1) !== null));
  if (shown.length === 0) return null;
  const names = [...new Set(shown.map((curve) => curve.name))];
  const ratios = [...new Set(shown.map((curve) => curve.ratio))].sort((a, b) => a - b).map(ratioLabel);
  const columns = Math.min(COLUMNS, layout.columns, names.length);
  return frame(dataset, {
    columns,
    concat: names.map((name) => ({
      title: name,
      width: Math.min(380, layout.width / columns - (columns > 1 ? 10 : 0)),
      height: HEIGHT,
      layer: panel(
        shown.filter((curve) => curve.name === name),
        ratios,
        layout,
      ),
    })),
    resolve: { scale: { color: 'shared', shape: 'shared', strokeDash: 'independent' } },
  });
}

function panel(curves: DrawingCurve[], ratios: string[], layout: Layout): Spec[] {
  const values = curves.flatMap((curve) =>
    curve.points.map((point) => ({ ratio: ratioLabel(curve.ratio), epoch: point.epoch, top1: finite(point.top1) })),
  );
  const epochs = values.map(({ epoch }) => epoch);
  const x = {
    field: 'epoch',
    type: 'quantitative',
    title: 'epoch the ticket is drawn at',
    scale: { zero: false, nice: false, padding: PADDING },
    axis: epochAxis(Math.min(...epochs), Math.max(...epochs)),
  };
  const y = {
    field: 'top1',
    type: 'quantitative',
    title: 'top-1 after retraining (%)',
    scale: { zero: false, padding: PADDING },
  };
  const series = { field: 'ratio', type: 'nominal', scale: { domain: ratios }, legend: bottomLegend(layout) };
  return [
    ...denseMarks(curves, layout),
    { data: { values }, mark: { type: 'line', strokeWidth: 1.4 }, encoding: { x, y, color: series } },
    {
      data: { values },
      mark: { type: 'point', filled: true, size: 34, opacity: 1 },
      encoding: { x, y, color: series, shape: series },
    },
  ];
}

/** One line for each dense accuracy, which the ratios of a network share, named in the legend. */
function denseMarks(curves: DrawingCurve[], layout: Layout): Spec[] {
  const known = [...new Set(curves.map((curve) => finite(curve.dense)))].filter((dense) => dense !== null);
  if (known.length === 0) return [];
  const values = known.map((dense) => ({ dense, label: `dense ${dense.toFixed(2)} %` }));
  const y = { field: 'dense', type: 'quantitative' };
  const legend = { ...bottomLegend(layout), symbolType: 'stroke', symbolStrokeColor: MUTED };
  const strokeDash = { field: 'label', type: 'nominal', scale: { range: [[5, 3]] }, legend };
  return [rule({ color: MUTED, strokeWidth: 1 }, { y, strokeDash }, values)];
}
