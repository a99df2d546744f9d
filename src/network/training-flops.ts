/**
 * FLOPs of trainings by two rules. As in the paper's tables, evaluation, masks, detection and pruning are not counted.
 */

/** The training of one network. */
export interface Training {
  /** Forward FLOPs of one image (network/flops.ts). */
  forward: number;
  /** Number of training images that went through the network, over all epochs. */
  images: number;
}

/**
 * Rule of counting. paper: forward FLOPs rounded to 2 decimals of GFLOPs, as the reference prints them. exact: not
 * rounded.
 */
export type FlopsRule = 'paper' | 'exact';

const FORWARD: Record<FlopsRule, (forward: number) => number> = {
  paper: (forward) => Math.round(forward / 1e7) * 1e7,
  exact: (forward) => forward,
};

/**
 * FLOPs of trainings. A step counts as three forward passes, as the backward pass computes gradients of activations and
 * of weights.
 */
export function trainingFlops(trainings: readonly Training[], rule: FlopsRule): number {
  return trainings.reduce((sum, { forward, images }) => sum + 3 * FORWARD[rule](forward) * images, 0);
}

export const NO_PAPER_FLOPS = "No FLOPs by the paper's rule: it rounds a network of under 5 MFLOPs to 0.";

/** FLOPs by both rules; `paper` is null where that rule rounds a network to 0. */
export function flopsOf(trainings: readonly Training[]): { paper: number | null; exact: number } {
  const vanishes = trainings.some(({ forward }) => FORWARD.paper(forward) === 0);
  return {
    paper: vanishes ? null : trainingFlops(trainings, 'paper'),
    exact: trainingFlops(trainings, 'exact'),
  };
}
