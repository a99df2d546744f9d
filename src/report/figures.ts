/** The figures of a report, in order. A figure without data has no specification and is left out. */
import { channelRows, curveRows, distanceRows, drawingRows, matrixRows, type Row } from './figure-data';
import { keptChannels } from './figures/channels';
import { accuracyAgainstCost } from './figures/cost';
import { distances } from './figures/distances';
import { drawingEpochs } from './figures/drawing';
import { learningCurves } from './figures/learning-curves';
import { matrixSheet, type Quantity } from './figures/matrices';
import { controlDots, studyCurves } from './figures/study';
import type { MaskMatrix, ReportInput } from './input';
import { colourBarPixels, matrixPixels, pngDataUri } from './matrix-image';
import { type Dataset, type Layout, type Spec, WIDE } from './theme';

export {
  accuracyAgainstCost,
  controlDots,
  distances,
  drawingEpochs,
  keptChannels,
  learningCurves,
  matrixSheet,
  studyCurves,
};

export interface FigureEntry {
  /** Id of the figure, which is also its file name. */
  id: string;
  title: string;
  caption: string;
  spec: (input: ReportInput, layout?: Layout) => Spec | null | Promise<Spec | null>;
  /** False where the figure has nothing to draw. */
  isThere: (input: ReportInput) => boolean;
  /** The numbers of the figure. */
  rows: (input: ReportInput) => Row[];
}

export const FIGURES: FigureEntry[] = [
  {
    id: 'learning-curves',
    title: 'Learning curves',
    caption:
      'Loss and top-1 accuracy on the training (dashed) and test images (solid), and of the weight average where there is one (dotted); grey lines are steps of the learning rate (lr).',
    spec: (input, layout) => learningCurves(input.runs, input.dataset, layout),
    rows: (input) => curveRows(input.runs),
    isThere: ({ runs }) => runs.some(({ metrics }) => metrics.length > 0),
  },
  {
    id: 'mask-distances',
    title: 'Distance of each new mask to the older ones',
    caption:
      'Share of channels that differ between the newest mask and the older masks in the window. The ticket emerges once none differs by more than the threshold. The axis ends at four times the threshold, or at 1.',
    spec: (input, layout) => distances(input.matrices, input.dataset, input.threshold, layout),
    rows: distanceRows,
    isThere: ({ matrices }) => matrices.some(({ epochs, window }) => window > 1 && epochs.length >= window),
  },
  {
    id: 'distance-matrix',
    title: 'Pairwise mask distances',
    caption:
      'Distance between the masks drawn at any two epochs, for each pruning ratio p; 0 (yellow) means that both keep the same channels. The dashed box holds the masks that were compared when the ticket emerged.',
    spec: (input, layout) => matrices(input.matrices, input.dataset, { layout }),
    rows: matrixRows,
    isThere: ({ matrices }) => matrices.some(({ epochs }) => epochs.some((epoch) => epoch > 0)),
  },
  {
    id: 'kept-channels',
    title: 'Channels kept in each layer',
    caption:
      'Channels that the ticket keeps (blue) of those the dense network has (grey), from the input to the output. A triangle marks a layer that would have vanished: its largest channel is kept.',
    spec: (input, layout) => keptChannels(input.channels, input.dataset, layout),
    rows: channelRows,
    isThere: ({ channels }) => channels.length > 0,
  },
  {
    id: 'drawing-epoch',
    title: 'Accuracy against drawing epoch',
    caption: 'Top-1 accuracy after retraining a ticket, against the epoch at which it was drawn.',
    spec: (input, layout) => drawingEpochs(input.drawing, input.dataset, layout),
    rows: drawingRows,
    isThere: ({ drawing }) => drawing.length > 0,
  },
];

/**
 * The sheet of matrices with its pixels drawn. It begins after epoch 1, as in the paper: before training all gammas are
 * equal, and that mask is equally far from all others. `initial` includes its row.
 */
export async function matrices(
  list: MaskMatrix[],
  dataset: Dataset,
  { quantity = 'mask distance', initial = false, layout = WIDE }: SheetOptions = {},
): Promise<Spec | null> {
  const drawn = (initial ? list : list.map(trainedOnly)).filter((matrix) => matrix.epochs.length > 0);
  const panels = await Promise.all(
    drawn.map(async (matrix) => ({ matrix, image: await pngDataUri(await matrixPixels(matrix)) })),
  );
  return matrixSheet(panels, await pngDataUri(await colourBarPixels(quantity)), dataset, quantity, layout);
}

interface SheetOptions {
  quantity?: Quantity;
  /** True to include the mask from before training. Default false. */
  initial?: boolean;
  layout?: Layout;
}

function trainedOnly(matrix: MaskMatrix): MaskMatrix {
  const { epochs, overlap } = matrix;
  const rows = epochs.flatMap((epoch, i) => (epoch > 0 ? [i] : []));
  const cells = rows.flatMap((row) => rows.map((column) => overlap[row * epochs.length + column]!));
  return { ...matrix, epochs: rows.map((row) => epochs[row]!), overlap: Float64Array.from(cells) };
}
