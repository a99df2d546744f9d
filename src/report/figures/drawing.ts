/** Accuracy after retraining against the epoch of the ticket (figure 1 of the paper). */
import type { DrawingCurve } from '../input';
import { BOTTOM_LEGEND, type Dataset, finite, frame, label, MUTED, ratioLabel, rule, type Spec, WIDTH } from '../theme';

const COLUMNS = 2;
const HEIGHT = 200;

export function drawingEpochs(curves: DrawingCurve[], dataset: Dataset): Spec | null {
  const shown = curves.filter((curve) => curve.points.some((point) => finite(point.top1) !== null));
  if (shown.length === 0) return null;
  const names = [...new Set(shown.map((curve) => curve.name))];
  const ratios = [...new Set(shown.map((curve) => curve.ratio))].sort((a, b) => a - b).map(ratioLabel);
  const columns = Math.min(COLUMNS, names.length);
  return frame(dataset, {
    columns,
    concat: names.map((name) => ({
      title: name,
      width: columns === 1 ? 380 : (WIDTH - 20) / COLUMNS,
      height: HEIGHT,
      layer: panel(
        shown.filter((curve) => curve.name === name),
        ratios,
      ),
    })),
    resolve: { scale: { color: 'shared', shape: 'shared' } },
  });
}

function panel(curves: DrawingCurve[], ratios: string[]): Spec[] {
  const values = curves.flatMap((curve) =>
    curve.points.map((point) => ({ ratio: ratioLabel(curve.ratio), epoch: point.epoch, top1: finite(point.top1) })),
  );
  const x = { field: 'epoch', type: 'quantitative', title: 'epoch the ticket is drawn at', axis: { tickMinStep: 1 } };
  const y = { field: 'top1', type: 'quantitative', title: 'top-1 after retraining (%)', scale: { zero: false } };
  const series = { field: 'ratio', type: 'nominal', scale: { domain: ratios }, legend: BOTTOM_LEGEND };
  return [
    ...denseMarks(curves),
    { data: { values }, mark: { type: 'line', strokeWidth: 1.4 }, encoding: { x, y, color: series } },
    {
      data: { values },
      mark: { type: 'point', filled: true, size: 34, opacity: 1 },
      encoding: { x, y, color: series, shape: series },
    },
  ];
}

/** One mark for each dense accuracy, which the ratios of a network share. */
function denseMarks(curves: DrawingCurve[]): Spec[] {
  const known = [...new Set(curves.map((curve) => finite(curve.dense)))].filter((dense) => dense !== null);
  if (known.length === 0) return [];
  const values = known.map((dense) => ({ dense, label: `dense ${dense.toFixed(2)} %` }));
  const y = { field: 'dense', type: 'quantitative' };
  const place = { align: 'right', baseline: 'bottom', dx: -3, dy: -2 };
  return [
    rule({ color: MUTED, strokeDash: [5, 3], strokeWidth: 1 }, { y }, values),
    label(place, { x: { value: 'width' }, y, text: { field: 'label' } }, values),
  ];
}
