/** What EB Train saves: the headline of its summary. */
import { trainingFlops } from '../network/training-flops';
import type { TrainRecipe } from '../recipe/recipe';

/** Training FLOPs by the exact rule (docs/cost.md). */
export interface TrainingCost {
  /** Of the search up to the ticket, and of its retraining. */
  ebTrain: number;
  /** Of the dense network trained for all epochs, which need not have been run. */
  dense: number;
  /** ebTrain over dense. */
  ratio: number;
  /** All epochs. */
  epochs: number;
}

interface Stages {
  /** Epochs of the dense network before the ticket. */
  ticket: { completed: number };
  /** Forward FLOPs of one image. */
  search: { flops: number };
  /** Epochs that the ticket's weights have seen. */
  prune: { completed: number | null };
  retrain: { flops: number };
}

/** `images`: training images of an epoch. */
export function trainingCost(
  { ticket, search, prune, retrain }: Stages,
  { epochs, fromScratch }: Pick<TrainRecipe, 'epochs' | 'fromScratch'>,
  images: number,
): TrainingCost {
  const first = fromScratch ? 0 : (prune.completed ?? 0);
  const ours = [
    { forward: search.flops, images: ticket.completed * images },
    { forward: retrain.flops, images: (epochs - first) * images },
  ];
  const ebTrain = trainingFlops(ours, 'exact');
  const dense = trainingFlops([{ forward: search.flops, images: epochs * images }], 'exact');
  return { ebTrain, dense, ratio: ebTrain / dense, epochs };
}
