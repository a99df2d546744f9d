/** Draws the distance of each epoch's mask to the older ones in the detector's window. */
import type { MaskMatrix } from '../input';
import {
  bottomLegend,
  type Dataset,
  emergenceText,
  epochAxis,
  frame,
  type Layout,
  MARKER,
  MUTED,
  ratioLabel,
  rule,
  SERIES,
  type Spec,
  WIDE,
} from '../theme';

const COLUMNS = 3;
const HEIGHT = 150;
const LARGEST = 'largest distance in the window';
const RANGE = 'range';
/** End of the axis in multiples of the threshold, as the initial mask is far from all others. */
const TOP = 4;

interface Point {
  epoch: number;
  low: number;
  high: number;
}

interface Panel {
  network: string;
  ratio: number;
  title: string;
  points: Point[];
  /** Completed epochs at which the ticket emerged. */
  emergedAt: number | null;
}

export function distances(
  matrices: MaskMatrix[],
  dataset: Dataset,
  threshold = 0.1,
  layout: Layout = WIDE,
): Spec | null {
  const panels = distancePanels(matrices);
  if (panels.length === 0) return null;
  const last = Math.max(1, ...panels.flatMap((panel) => panel.points.map((point) => point.epoch)));
  const columns = Math.min(COLUMNS, layout.columns, panels.length);
  const width = Math.min(300, layout.width / columns - (columns > 1 ? 25 : 0));
  // A distance is at most 1.
  const top = Math.min(1, TOP * (threshold || 0.1));
  return frame(dataset, {
    columns,
    concat: panels.map((panel, i) => ({
      title: heading(panel),
      width,
      height: HEIGHT,
      layer: [
        ...band(panel.points, last, top, i % columns === 0, layout),
        thresholdMark(threshold, layout),
        ...(panel.emergedAt === null ? [] : [emergenceMark(panel.emergedAt)]),
      ],
    })),
    resolve: { scale: { color: 'shared', strokeDash: 'shared' } },
  });
}

/** Heading of a panel, which names the ticket above the panel, where no curve runs. */
function heading({ title, emergedAt }: Panel): Spec {
  return emergedAt === null
    ? { text: title, subtitle: 'no ticket yet' }
    : { text: title, subtitle: emergenceText(emergedAt), subtitleColor: MARKER };
}

/** Panels: one for each network and ratio that holds at least one full window. */
export function distancePanels(matrices: MaskMatrix[]): Panel[] {
  const several = new Set(matrices.map(({ network }) => network)).size > 1;
  return matrices
    .map((matrix) => ({
      network: matrix.network,
      ratio: matrix.ratio,
      title: `${several ? `${matrix.network}: ` : ''}${ratioLabel(matrix.ratio)}`,
      points: pointsOf(matrix),
      emergedAt: matrix.emergedAt,
    }))
    .filter((panel) => panel.points.length > 0);
}

/** Distances that the detector compared, from the first epoch with a full window on. */
function pointsOf({ epochs, overlap, window, compared }: MaskMatrix): Point[] {
  if (window < 2) return []; // a window of one mask compares nothing
  return epochs.slice(window - 1).map((epoch, i) => {
    const newest = i + window - 1;
    const measured = Array.from({ length: window - 1 }, (_, back) => {
      const row = compared === 'newest' ? newest : newest - back;
      return 1 - overlap[row * epochs.length + newest - back - 1]!;
    });
    return { epoch, low: Math.min(...measured), high: Math.max(...measured) };
  });
}

function band(points: Point[], last: number, top: number, first: boolean, layout: Layout): Spec[] {
  const x = {
    field: 'epoch',
    type: 'quantitative',
    title: 'epoch',
    scale: { domain: [0, last], nice: false },
    axis: epochAxis(0, last),
  };
  const y = {
    type: 'quantitative',
    title: first ? 'mask distance' : null,
    scale: { domain: [0, top], nice: false },
    axis: { tickCount: 5 },
  };
  const color = (name: string) => ({
    datum: name,
    scale: { domain: [LARGEST, RANGE], range: [SERIES[0], '#b3d4e8'] },
    legend: { ...bottomLegend(layout), symbolType: 'square', symbolStrokeWidth: 0 },
  });
  const high = { x, y: { ...y, field: 'high' } };
  const dots = points.length <= 10 ? points.filter((point) => point.high <= top) : [];
  return [
    {
      data: { values: points },
      mark: { type: 'area', clip: true },
      encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: color(RANGE) },
    },
    {
      data: { values: points },
      mark: { type: 'line', clip: true, strokeWidth: 1.4 },
      encoding: { ...high, color: color(LARGEST) },
    },
    { data: { values: dots }, mark: { type: 'circle', size: 16, opacity: 1, color: SERIES[0] }, encoding: high },
  ];
}

/** The threshold as a line, named in the legend, as text in the panel would lie on curves. */
function thresholdMark(threshold: number, layout: Layout): Spec {
  const strokeDash = {
    datum: `threshold ${threshold}`,
    scale: { range: [[4, 2]] },
    legend: { ...bottomLegend(layout), symbolType: 'stroke', symbolStrokeColor: MUTED },
  };
  return rule({ color: MUTED, strokeWidth: 0.9 }, { y: { datum: threshold, type: 'quantitative' }, strokeDash });
}

function emergenceMark(emergedAt: number): Spec {
  const x = { datum: emergedAt, type: 'quantitative' };
  return rule({ color: MARKER, strokeDash: [4, 2], strokeWidth: 1.1 }, { x });
}
