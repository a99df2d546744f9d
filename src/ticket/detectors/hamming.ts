/**
 * Mask distance: the share of channels whose bits differ (You et al., "Drawing Early-Bird Tickets", ICLR 2020, section 4.2 and
 * algorithm 1; window 5 and threshold 0.1 from there, and from class EarlyBird of the reference).
 */
import type { DetectorSettings } from '../../recipe/detectors';
import { maskDistance } from '../mask';
import { channelsOf, type Detector } from './detector';

/** The largest distance, which decides; null while the window fills. */
export function decidingDistance(distances: readonly number[] | null | undefined): number | null {
  return distances ? Math.max(0, ...distances) : null;
}

/** The compared distances, oldest first; null while the window fills. */
export function comparedDistances(
  masks: readonly Uint8Array[],
  total: number,
  { window, rule }: DetectorSettings,
): number[] | null {
  if (masks.length < masksHeld({ window, rule })) return null;
  if (rule === 'consecutive') return masks.slice(1).map((mask, i) => maskDistance(masks[i]!, mask, total));
  const newest = masks.at(-1)!;
  return masks.slice(0, -1).map((older) => maskDistance(newest, older, total));
}

export const masksHeld = ({ window, rule }: Pick<DetectorSettings, 'window' | 'rule'>) =>
  rule === 'consecutive' ? window + 1 : window;

export const hasSettled = (distances: readonly number[] | null, { threshold, rule }: DetectorSettings): boolean =>
  distances !== null &&
  (rule === 'consecutive' ? distances.every((d) => d < threshold) : !distances.some((d) => d > threshold));

export const hamming: Detector = {
  signal: 'mask distance',
  byLayer: false,
  settled: 'below',
  held: (settings) => ({ masks: masksHeld(settings), losses: 0 }),
  judge({ layers, masks }, settings) {
    const distances = comparedDistances(masks, channelsOf(layers), settings);
    return { signal: decidingDistance(distances), fired: hasSettled(distances, settings) };
  },
};
