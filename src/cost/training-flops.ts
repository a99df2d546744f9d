/**
 * What a training costs in FLOPs, by two rules, and how the methods that papers compare are composed of trainings. Pure. Neither rule
 * counts evaluation, the drawing of masks, detection or pruning, as the paper's tables do not.
 */

/** A training of one network. */
export interface Stretch {
  /** Forward FLOPs of one image (flops.ts). */
  forward: number;
  /** Training images that went through the network, over all epochs. */
  images: number;
}

/** paper: F rounded to 2 decimals of GFLOPs, as the release prints it. exact: F as it is. */
export type FlopsRule = 'paper' | 'exact';

const FORWARD: Record<FlopsRule, (forward: number) => number> = {
  paper: (forward) => Math.round(forward / 1e7) * 1e7,
  exact: (forward) => forward,
};

/** Both count a step as three forward passes: the backward pass computes gradients of activations and of weights. */
export function trainingFlops(stretches: readonly Stretch[], rule: FlopsRule): number {
  return stretches.reduce((sum, { forward, images }) => sum + 3 * FORWARD[rule](forward) * images, 0);
}

export const NO_PAPER_FLOPS = "No FLOPs by the paper's rule: it rounds a network of under 5 MFLOPs to 0.";

/** By both rules. The paper's has no figure where it rounds a network to nothing: one of under 5 MFLOPs. */
export function flopsOf(stretches: readonly Stretch[]): { paper: number | null; exact: number } {
  const vanishes = stretches.some(({ forward }) => FORWARD.paper(forward) === 0);
  return {
    paper: vanishes ? null : trainingFlops(stretches, 'paper'),
    exact: trainingFlops(stretches, 'exact'),
  };
}

/** What a comparison of methods is made of: forward FLOPs of one image, and epochs. */
export interface Comparison {
  dense: number;
  ticket: number;
  /** Epochs of a whole training. */
  epochs: number;
  /** Epochs k after which an Early-Bird ticket was drawn. */
  drawn: number;
  /** Training images of an epoch. */
  images: number;
}

type Composition = (comparison: Comparison) => Stretch[];

const stretch = (forward: number, epochs: number, images: number): Stretch => ({ forward, images: epochs * images });

const dense: Composition = ({ dense: forward, epochs, images }) => [stretch(forward, epochs, images)];
/** Also a lottery ticket that is cut out and not only masked. */
const pruneAndRetrain: Composition = (c) => [...dense(c), stretch(c.ticket, c.epochs, c.images)];
const searchThen =
  (epochsLeft: (c: Comparison) => number): Composition =>
  (c) => [stretch(c.dense, c.drawn, c.images), stretch(c.ticket, epochsLeft(c), c.images)];

/** The trainings of each method, as the paper's tables count them. */
export const COMPOSITIONS = {
  dense,
  /** One-shot lottery ticket: masked weights save no FLOPs, so the dense network is trained twice. */
  lotteryTicket: (c) => [...dense(c), ...dense(c)],
  /** The mask is drawn before training and saves none. */
  snip: dense,
  networkSlimming: pruneAndRetrain,
  /** As network slimming, with the published share of the dense FLOPs as the ticket. */
  softFilterPruning: pruneAndRetrain,
  earlyBirdReinit: searchThen(({ epochs }) => epochs),
  earlyBird: searchThen(({ epochs, drawn }) => epochs - drawn),
} satisfies Record<string, Composition>;
