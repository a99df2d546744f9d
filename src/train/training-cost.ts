/** The savings of EB Train, which head its summary. */
import { trainingFlops } from '../network/training-flops';
import type { TrainRecipe } from '../recipe/recipe';
import type { ArithmeticCosts } from '../run/metrics';
import type { RunResult } from '../run/result';
import { epochArithmetic } from './precision/follow';

/** Training FLOPs by the exact rule, and bit operations (docs/cost.md). */
export interface TrainingCost {
  /** FLOPs of the search up to the ticket, and of its retraining. */
  ebTrain: number;
  /** FLOPs of the dense network trained for all epochs, which need not have been run. */
  dense: number;
  /** Ratio of ebTrain to dense. */
  ratio: number;
  /** Number of all epochs. */
  epochs: number;
  /**
   * GBitOps and modelled joules by stage, with the formats of each epoch; `dense` in full precision. Absent for runs of
   * earlier versions.
   */
  arithmetic?: { search: ArithmeticCosts; retrain: ArithmeticCosts; dense: ArithmeticCosts };
}

interface Stages {
  /** Number of epochs of the dense network before the ticket. */
  ticket: { completed: number };
  /** Costs of the dense network; `flops`: forward FLOPs of one image. */
  search: Pick<RunResult, 'flops' | 'multiplyAdds'>;
  /** Number of epochs that the ticket's weights have seen. */
  prune: { completed: number | null };
  retrain: { flops: number };
}

/** Counted arithmetic of both stages; null where an epoch was not counted. */
export interface StageArithmetic {
  search: ArithmeticCosts | null;
  retrain: ArithmeticCosts | null;
}

/** Computes the cost. `images`: training images of an epoch. */
export function trainingCost(
  { ticket, search, prune, retrain }: Stages,
  { epochs, fromScratch, precision }: Pick<TrainRecipe, 'epochs' | 'fromScratch' | 'precision'>,
  images: number,
  counted: StageArithmetic = { search: null, retrain: null },
): TrainingCost {
  const first = fromScratch ? 0 : (prune.completed ?? 0);
  const ours = [
    { forward: search.flops, images: ticket.completed * images },
    { forward: retrain.flops, images: (epochs - first) * images },
  ];
  const ebTrain = trainingFlops(ours, 'exact');
  const dense = trainingFlops([{ forward: search.flops, images: epochs * images }], 'exact');
  const cost = { ebTrain, dense, ratio: ebTrain / dense, epochs };
  if (!search.multiplyAdds || !counted.search || !counted.retrain) return cost;
  const full = epochArithmetic(search.multiplyAdds, epochs * images, { formats: undefined, precision });
  const { gbitops, modelledJoules } = full;
  return {
    ...cost,
    arithmetic: { search: counted.search, retrain: counted.retrain, dense: { gbitops, modelledJoules } },
  };
}
