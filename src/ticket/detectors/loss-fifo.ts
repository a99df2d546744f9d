/**
 * The loss has settled: its differences to the older ones in a FIFO, over the mean loss of the first ten epochs, are
 * all within a threshold, which then decays while the FIFO begins anew (Fu et al., "FracTrain", NeurIPS 2020, section
 * 3.1: progressive fractional quantisation; FIFO 5, 0.15 and 0.4 from its CIFAR scripts). There settling raises the
 * bits; here a ticket is drawn at the `turns`-th time.
 */
import type { DetectorSettings } from '../../recipe/detectors';
import { type Detector, mean, UNDECIDED, type Verdict } from './detector';

const SCALED_BY = 10;

/**
 * Judges the losses of a training: the newest verdict, and the number of times that they have settled, at most `turns`.
 */
export function turnsIn(
  losses: readonly number[],
  { window, threshold, decay = 1, turns = 1 }: DetectorSettings,
): Verdict & { turned: number } {
  let verdict = UNDECIDED;
  let limit = threshold;
  let turned = 0;
  let begins = 0;
  for (const [i, loss] of losses.entries()) {
    verdict = UNDECIDED;
    if (turned === turns) continue;
    const older = losses.slice(Math.max(begins, i + 1 - window), i);
    if (older.length < window - 1) continue;
    const scale = mean(losses.slice(0, Math.min(i + 1, SCALED_BY)));
    const signal = Math.max(0, ...older.map((one) => Math.abs(one - loss) / scale));
    if (signal > limit) {
      verdict = { signal, fired: false };
      continue;
    }
    turned++;
    verdict = { signal, fired: turned === turns };
    limit *= decay;
    begins = i + 1;
  }
  return { ...verdict, turned };
}

export const lossFifo: Detector = {
  signal: 'largest difference of losses',
  byLayer: false,
  settled: 'below',
  // The verdict depends on all losses since the start, as those before a turn decide where the FIFO begins.
  held: () => ({ masks: 0, losses: Number.POSITIVE_INFINITY }),
  judge({ losses }, settings) {
    const { signal, fired } = turnsIn(losses, settings);
    return { signal, fired };
  },
};
