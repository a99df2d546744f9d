/** The figures of a report, in order. A figure without data has no specification and is left out. */
import { keptChannels } from './figures/channels';
import { accuracyAgainstCost } from './figures/cost';
import { distances } from './figures/distances';
import { drawingEpochs } from './figures/drawing';
import { learningCurves } from './figures/learning-curves';
import { matrixSheet, type Quantity } from './figures/matrices';
import type { MaskMatrix, ReportInput } from './input';
import { colourBarPixels, matrixPixels, pngDataUri } from './matrix-image';
import type { Dataset, Spec } from './theme';

export { accuracyAgainstCost, distances, drawingEpochs, keptChannels, learningCurves, matrixSheet };

interface FigureEntry {
  /** Also the file name. */
  id: string;
  title: string;
  caption: string;
  spec: (input: ReportInput) => Spec | null | Promise<Spec | null>;
}

export const FIGURES: FigureEntry[] = [
  {
    id: 'learning-curves',
    title: 'Learning curves',
    caption:
      'Loss and top-1 accuracy on the training (dashed) and test images (solid), and of the weight average where there is one (dotted); grey lines are steps of the learning rate.',
    spec: (input) => learningCurves(input.runs, input.dataset),
  },
  {
    id: 'mask-distances',
    title: 'Distance of each new mask to the older ones',
    caption:
      'Share of channels that differ between the newest mask and the older masks in the window. The ticket emerges once none differs by more than the threshold. The axis ends at four times the threshold.',
    spec: (input) => distances(input.matrices, input.dataset, input.threshold),
  },
  {
    id: 'distance-matrix',
    title: 'Pairwise mask distances',
    caption:
      'Distance between the masks drawn at any two epochs, for each pruning ratio p; 0 (yellow) means that both keep the same channels. The dashed box holds the masks that were compared when the ticket emerged.',
    spec: (input) => matrices(input.matrices, input.dataset),
  },
  {
    id: 'kept-channels',
    title: 'Channels kept in each layer',
    caption:
      'Channels that the ticket keeps (blue) of those the dense network has (grey), from the input to the output.',
    spec: (input) => keptChannels(input.channels, input.dataset),
  },
  {
    id: 'drawing-epoch',
    title: 'Accuracy against drawing epoch',
    caption: 'Top-1 accuracy after retraining a ticket, against the epoch at which it was drawn.',
    spec: (input) => drawingEpochs(input.drawing, input.dataset),
  },
];

/** The sheet of matrices with its pixels drawn. */
export async function matrices(
  list: MaskMatrix[],
  dataset: Dataset,
  quantity: Quantity = 'mask distance',
): Promise<Spec | null> {
  const drawn = list.filter((matrix) => matrix.epochs.length > 0);
  const panels = await Promise.all(
    drawn.map(async (matrix) => ({ matrix, image: await pngDataUri(await matrixPixels(matrix)) })),
  );
  return matrixSheet(panels, await pngDataUri(await colourBarPixels()), dataset, quantity);
}
