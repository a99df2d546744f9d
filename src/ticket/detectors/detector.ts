/** What all detectors have in common: a pure judgement of what a search has shown so far. */
import type { DetectorSettings } from '../../recipe/detectors';

/** What a search has shown, oldest first. */
export interface History {
  /** Channels of each layer under the mask, in the order of its bits. */
  layers: readonly number[];
  /** Packed masks, the first of which is drawn before training. */
  masks: readonly Uint8Array[];
  /** Training loss of each epoch before the newest mask. */
  losses: readonly number[];
}

/** What a detector says of a history. */
export interface Verdict {
  /** null as long as it has not seen enough. */
  signal: number | null;
  /** True where a ticket is drawn from the newest mask. */
  fired: boolean;
}

/** A rule for when to draw. */
export interface Detector {
  /** What its signal is. */
  signal: string;
  /** It looks at each layer by itself. */
  byLayer: boolean;
  /** On which side of its threshold the signal lies once the masks have settled. */
  settled: 'below' | 'above';
  /** How many of the newest masks and losses it looks at. */
  held(settings: DetectorSettings): { masks: number; losses: number };
  judge(history: History, settings: DetectorSettings): Verdict;
}

/** A verdict by the rule that the signal has reached the threshold from below. */
export const above = (signal: number, { threshold }: DetectorSettings): Verdict => ({
  signal,
  fired: signal >= threshold,
});

export const UNDECIDED: Verdict = { signal: null, fired: false };

/** A history with one more observation, cut to what is looked at. */
export function extended(
  { layers, masks, losses }: History,
  mask: Uint8Array,
  loss: number | null,
  held: { masks: number; losses: number },
): History {
  const newest = <T>(list: readonly T[], count: number) => (count > 0 ? list.slice(-count) : []);
  return {
    layers,
    masks: newest([...masks, mask], held.masks),
    losses: newest(loss === null ? losses : [...losses, loss], held.losses),
  };
}

/** N: bits of a mask. */
export const channelsOf = (layers: readonly number[]) => layers.reduce((sum, width) => sum + width, 0);

/** Bits that are set in each layer. */
export function keptByLayer(bits: Uint8Array, layers: readonly number[]): number[] {
  let channel = 0;
  return layers.map((width) => {
    let kept = 0;
    for (const end = channel + width; channel < end; channel++)
      kept += (bits[channel >> 3]! >> (7 - (channel & 7))) & 1;
    return kept;
  });
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
