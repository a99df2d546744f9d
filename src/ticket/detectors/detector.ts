/** The interface of all detectors: a pure judgement of the history of a search. */
import type { DetectorSettings } from '../../recipe/detectors';

/** History of a search, oldest first. */
export interface History {
  /** Number of channels of each layer under the mask, in the order of its bits. */
  layers: readonly number[];
  /** Packed masks, the first of which is drawn before training. */
  masks: readonly Uint8Array[];
  /** Training loss of each epoch before the newest mask. */
  losses: readonly number[];
}

/** Judgement of a history. */
export interface Verdict {
  /** Signal; null while the history is too short. */
  signal: number | null;
  /** True where a ticket is drawn from the newest mask. */
  fired: boolean;
}

/** A rule that decides when to draw a ticket. */
export interface Detector {
  /** Name of its signal. */
  signal: string;
  /** True where it looks at each layer separately. */
  byLayer: boolean;
  /** Side of the threshold on which the signal lies once the masks have settled. */
  settled: 'below' | 'above';
  /** Number of the newest masks and losses that it looks at. */
  held(settings: DetectorSettings): { masks: number; losses: number };
  judge(history: History, settings: DetectorSettings): Verdict;
}

/** Verdict by the rule that the signal reaches the threshold from below. */
export const above = (signal: number, { threshold }: DetectorSettings): Verdict => ({
  signal,
  fired: signal >= threshold,
});

export const UNDECIDED: Verdict = { signal: null, fired: false };

/** Adds one observation to a history, and drops what is no longer looked at. */
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

/** Number N of bits of a mask. */
export const channelsOf = (layers: readonly number[]) => layers.reduce((sum, width) => sum + width, 0);

/** Number of bits that are set in each layer. */
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
