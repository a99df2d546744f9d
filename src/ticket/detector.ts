/** The Early-Bird detector: decides from a sequence of masks at which epoch a ticket has emerged. */
import { comparedDistances, hasSettled, masksHeld } from './detectors/hamming';

/**
 * Rule of the detector. `reference`: a ticket has emerged iff no distance between the newest and an older mask in the
 * window is above the threshold (reference class EarlyBird). `consecutive`: a ticket has emerged iff the last `window`
 * distances of adjacent masks are all below it (README and paper section 4.2).
 */
export type DetectorRule = 'reference' | 'consecutive';

/** Criteria by which a ticket counts as emerged. */
export interface DetectorOptions {
  /** Number of masks (`reference`) or distances (`consecutive`) that must agree. */
  window: number;
  /** Largest mask distance that counts as agreement, 0 to 1. */
  threshold: number;
  rule: DetectorRule;
}

/** The settings of the reference. */
export const REFERENCE_DETECTOR: DetectorOptions = { window: 5, threshold: 0.1, rule: 'reference' };

/** The detector's answer to one more mask. */
export interface Observation {
  /** Mask distances, oldest first; null while the window fills. */
  distances: number[] | null;
  emerged: boolean;
}

/**
 * Looks for an Early-Bird ticket at one pruning ratio. Give it the mask of the weights after each epoch.
 *
 * @example
 * const detector = new EarlyBird(gammasOf(state).length);
 * for (const state of states) {
 *   const { bits } = maskFromGammas(gammasOf(state), 0.3);
 *   if (detector.push(bits).emerged) break;
 * }
 */
export class EarlyBird {
  private masks: Uint8Array[] = [];

  constructor(
    /** Number of channels N of a mask. */
    readonly total: number,
    readonly options: DetectorOptions = REFERENCE_DETECTOR,
  ) {}

  /**
   * Takes the mask of the current weights, as packed bits with channel 0 in the most significant bit of the first byte.
   */
  push(mask: Uint8Array): Observation {
    this.masks = [...this.masks, mask].slice(-masksHeld(this.options));
    const distances = comparedDistances(this.masks, this.total, this.options);
    return { distances, emerged: hasSettled(distances, this.options) };
  }

  /** Masks of the window, oldest first, which is the state to restore after a resume. */
  get state(): readonly Uint8Array[] {
    return this.masks;
  }

  restore(state: readonly Uint8Array[]): void {
    this.masks = [...state];
  }
}
