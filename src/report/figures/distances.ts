/** Distance of each epoch's mask to the older ones in the detector's window. */
import type { MaskMatrix } from '../input';
import {
  BOTTOM_LEGEND,
  type Dataset,
  frame,
  label,
  MARKER,
  MUTED,
  ratioLabel,
  rule,
  SERIES,
  type Spec,
  WIDTH,
} from '../theme';

const COLUMNS = 3;
const HEIGHT = 150;
const LARGEST = 'largest distance in the window';
const RANGE = 'range';
/** The axis ends at so many thresholds, as the initial mask is far from all others. */
const TOP = 4;

interface Point {
  epoch: number;
  low: number;
  high: number;
}

interface Panel {
  title: string;
  points: Point[];
  /** Completed epochs at which the ticket emerged. */
  emergedAt: number | null;
}

export function distances(matrices: MaskMatrix[], dataset: Dataset, threshold = 0.1): Spec | null {
  const panels = distancePanels(matrices);
  if (panels.length === 0) return null;
  const last = Math.max(...panels.flatMap((panel) => panel.points.map((point) => point.epoch)));
  const columns = Math.min(COLUMNS, panels.length);
  const width = Math.min(300, (WIDTH - 50 * (columns - 1)) / columns + 20);
  return frame(dataset, {
    columns,
    concat: panels.map((panel, i) => ({
      title: panel.title,
      width,
      height: HEIGHT,
      layer: [
        ...band(panel.points, last, TOP * (threshold || 0.1), i % columns === 0),
        ...thresholdMarks(threshold, last),
        ...emergenceMarks(panel, last),
      ],
    })),
    resolve: { scale: { color: 'shared' } },
  });
}

/** One panel for each network and ratio that holds at least one full window. */
export function distancePanels(matrices: MaskMatrix[]): Panel[] {
  const several = new Set(matrices.map(({ network }) => network)).size > 1;
  return matrices
    .map((matrix) => ({
      title: `${several ? `${matrix.network}: ` : ''}${ratioLabel(matrix.ratio)}`,
      points: pointsOf(matrix),
      emergedAt: matrix.emergedAt,
    }))
    .filter((panel) => panel.points.length > 0);
}

/** The distances that the detector compared, from the first epoch with a full window on. */
function pointsOf({ epochs, overlap, window, compared }: MaskMatrix): Point[] {
  if (window < 2) return []; // nothing is compared
  return epochs.slice(window - 1).map((epoch, i) => {
    const newest = i + window - 1;
    const measured = Array.from({ length: window - 1 }, (_, back) => {
      const row = compared === 'newest' ? newest : newest - back;
      return 1 - overlap[row * epochs.length + newest - back - 1]!;
    });
    return { epoch, low: Math.min(...measured), high: Math.max(...measured) };
  });
}

function band(points: Point[], last: number, top: number, first: boolean): Spec[] {
  const x = {
    field: 'epoch',
    type: 'quantitative',
    title: 'epochs',
    scale: { domain: [0, Math.max(last, 1)], nice: false },
    axis: { tickMinStep: 1, tickCount: 5 },
  };
  const y = {
    type: 'quantitative',
    title: first ? 'mask distance' : null,
    scale: { domain: [0, top], nice: false },
    axis: { tickCount: 5 },
  };
  const legend = { ...BOTTOM_LEGEND, symbolType: 'square', symbolStrokeWidth: 0 };
  const color = (name: string) => ({
    datum: name,
    scale: { domain: [LARGEST, RANGE], range: [SERIES[0], '#b3d4e8'] },
    legend,
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

function thresholdMarks(threshold: number, last: number): Spec[] {
  const y = { datum: threshold, type: 'quantitative' };
  const x = { datum: Math.max(last, 1) };
  const place = { align: 'right', baseline: 'bottom', dx: -3, dy: -2 };
  return [
    rule({ color: MUTED, strokeDash: [4, 2], strokeWidth: 0.9 }, { y }),
    label(place, { x, y, text: { value: `threshold ${threshold}` } }),
  ];
}

function emergenceMarks({ emergedAt }: Panel, last: number): Spec[] {
  if (emergedAt === null) return [];
  const x = { datum: emergedAt, type: 'quantitative' };
  const place = emergedAt > last / 2 ? { align: 'right', dx: -4 } : { align: 'left', dx: 4 };
  return [
    rule({ color: MARKER, strokeDash: [4, 2], strokeWidth: 1.1 }, { x }),
    label(
      { ...place, dy: 10, color: MARKER },
      { x, y: { value: 0 }, text: { value: `ticket after ${emergedAt} epochs` } },
    ),
  ];
}
