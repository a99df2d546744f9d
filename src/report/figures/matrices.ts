/** Draws the mask-distance matrices on one sheet, with a row for each network and a panel for each ratio. */
import type { MaskMatrix } from '../input';
import { epochGrid } from '../matrix-image';
import {
  type Dataset,
  emergenceText,
  epochAxis,
  FAINT,
  FONT_SIZE,
  frame,
  INK,
  type Layout,
  label,
  MARKER,
  ratioLabel,
  type Spec,
  WIDE,
} from '../theme';

interface MatrixPanel {
  matrix: MaskMatrix;
  /** Pixels of the matrix, as a PNG data URI. */
  image: string;
}

/** Pixels between two panels; BAR: those of the colour bar with its axis. */
const GAP = 24;
const BAR = 60;

const IMAGE = { type: 'image', aspect: false, align: 'left', baseline: 'top' };

/** Offsets that put the box just outside its cells, so that they stay visible. */
const OUTSIDE = { xOffset: -1, x2Offset: 1, yOffset: -1, y2Offset: 1 };

/** Meaning of the colours: the distance of two masks, or their fraction of equal bits. */
export type Quantity = 'mask distance' | 'mask overlap';

export function matrixSheet(
  panels: MatrixPanel[],
  colourBar: string,
  dataset: Dataset,
  quantity: Quantity,
  layout: Layout = WIDE,
): Spec | null {
  const shown = panels.filter((panel) => panel.matrix.epochs.length > 0);
  if (shown.length === 0) return null;
  const networks = [...new Set(shown.map((panel) => panel.matrix.network))];
  const columns = Math.min(layout.columns, Math.max(...networks.map((name) => ratiosOf(shown, name).length)));
  const cells = Math.max(...shown.map((panel) => epochGrid(panel.matrix.epochs).size));
  const side = panelSide(cells, Math.min(WANTED, (layout.width + layout.aside - BAR + GAP) / columns - GAP));
  const rows = networks.map((network) => ({
    title: { text: network, anchor: 'start', frame: 'group', offset: 10 },
    columns,
    bounds: 'flush',
    spacing: { column: GAP, row: 84 },
    concat: ratiosOf(shown, network).map((panel, i, row) =>
      matrixPanel(panel, side, {
        title: i % columns === 0,
        labels: i % columns === 0 || !sameGrid(panel, row[i - 1]!),
      }),
    ),
  }));
  return frame(dataset, {
    spacing: 16,
    hconcat: [{ spacing: 18, vconcat: rows }, bar(colourBar, side, quantity)],
  });
}

/** Side of a panel in pixels, where there is room for it. */
const WANTED = 220;

/**
 * Side of a panel with a whole number of pixels for each cell where there is room, so that all rows are equally wide.
 */
export function panelSide(cells: number, wanted: number): number {
  return cells <= wanted ? cells * Math.floor(wanted / cells) : Math.floor(wanted);
}

function ratiosOf(panels: MatrixPanel[], network: string): MatrixPanel[] {
  return panels.filter((panel) => panel.matrix.network === network).sort((a, b) => a.matrix.ratio - b.matrix.ratio);
}

function sameGrid(a: MatrixPanel, b: MatrixPanel): boolean {
  const [one, other] = [epochGrid(a.matrix.epochs), epochGrid(b.matrix.epochs)];
  return one.from === other.from && one.to === other.to;
}

function matrixPanel({ matrix, image }: MatrixPanel, side: number, rows: { title: boolean; labels: boolean }): Spec {
  const { from, to } = epochGrid(matrix.epochs);
  const scale = { domain: [from, to], nice: false, zero: false };
  const axis = { ...epochAxis(matrix.epochs[0]!, matrix.epochs.at(-1)!), title: 'epoch' };
  const x = { field: 'from', type: 'quantitative', scale, axis };
  const y = {
    ...x,
    scale: { ...scale, reverse: true },
    axis: { ...axis, labels: rows.labels, title: rows.title ? 'epoch' : null },
  };
  return {
    width: side,
    height: side,
    view: { fill: FAINT, stroke: null },
    layer: [
      {
        data: { values: [{ image, from }] },
        mark: { ...IMAGE, smooth: false, width: side, height: side },
        encoding: { x, y, url: { field: 'image', type: 'nominal' } },
      },
      ...windowBox(matrix),
      ...heading(matrix, side),
    ],
  };
}

/** Heading of a panel as text marks, because a title would stand higher over panels with axis labels. */
function heading({ ratio, emergedAt }: MaskMatrix, side: number): Spec[] {
  const lines = [
    { text: ratioLabel(ratio), y: -8 - FONT_SIZE - 3, fontWeight: 'bold', color: INK },
    emergedAt === null ? { text: 'no ticket yet', y: -7 } : { text: emergenceText(emergedAt), y: -7, color: MARKER },
  ];
  return lines.map(({ text, y, ...style }) =>
    label(
      { align: 'center', baseline: 'bottom', ...style },
      { x: { value: side / 2 }, y: { value: y }, text: { value: text } },
    ),
  );
}

/** A dashed box around the masks that the detector compared when the ticket emerged. */
export function windowBox(matrix: MaskMatrix): Spec[] {
  if (matrix.emergedAt === null) return [];
  const grid = epochGrid(matrix.epochs);
  const row = matrix.epochs.indexOf(matrix.emergedAt);
  const oldest = matrix.epochs[row - matrix.window + 1] ?? matrix.emergedAt - (matrix.window - 1) * grid.step;
  const box = {
    from: Math.max(grid.from, oldest - grid.step / 2),
    to: Math.min(grid.to, matrix.emergedAt + grid.step / 2),
  };
  const position = { field: 'from', type: 'quantitative' };
  return [
    {
      data: { values: [box] },
      mark: { type: 'rect', fill: null, stroke: MARKER, strokeWidth: 1.3, strokeDash: [2.2, 1.3], ...OUTSIDE },
      encoding: { x: position, x2: { field: 'to' }, y: position, y2: { field: 'to' } },
    },
  ];
}

function bar(image: string, side: number, title: Quantity): Spec {
  return {
    width: 11,
    height: side,
    view: { stroke: null },
    data: { values: [{ image, top: 1, left: 0 }] },
    mark: { ...IMAGE, width: 11, height: side },
    encoding: {
      x: { field: 'left', type: 'quantitative', scale: { domain: [0, 1] }, axis: null },
      y: {
        field: 'top',
        type: 'quantitative',
        scale: { domain: [0, 1] },
        axis: { orient: 'right', title, values: [0, 0.2, 0.4, 0.6, 0.8, 1], format: '.1f' },
      },
      url: { field: 'image', type: 'nominal' },
    },
  };
}
