/**
 * Jaccard similarity of the kept channels of each layer with those of the mask before the last one, mean over layers,
 * running mean over the window (Ghimire et al., "One-Cycle Structured Pruning via Stability-Driven Subnetwork Search",
 * WACV 2026, arXiv 2501.13439; window 3 and threshold 0.999 from its CIFAR scripts). In that paper the masks are those
 * of a growing regulariser.
 */
import { above, type Detector, keptByLayer, mean, UNDECIDED } from './detector';

/** Similarity of two masks, mean over layers; a layer that keeps nothing in either counts as equal. */
export function layerJaccard(a: Uint8Array, b: Uint8Array, layers: readonly number[]): number {
  const both = keptByLayer(
    a.map((byte, i) => byte & b[i]!),
    layers,
  );
  const either = keptByLayer(
    a.map((byte, i) => byte | b[i]!),
    layers,
  );
  return mean(both.map((kept, layer) => (either[layer] === 0 ? 1 : kept / either[layer]!)));
}

const BACK = 2;

export const jaccard: Detector = {
  signal: 'similarity of kept sets',
  byLayer: true,
  settled: 'above',
  held: ({ window }) => ({ masks: window + BACK, losses: 0 }),
  judge({ layers, masks }, settings) {
    if (masks.length < settings.window + BACK) return UNDECIDED;
    const pairs = masks.slice(-settings.window - BACK);
    return above(mean(pairs.slice(BACK).map((mask, i) => layerJaccard(mask, pairs[i]!, layers))), settings);
  },
};
