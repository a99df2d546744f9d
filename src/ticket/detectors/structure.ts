/**
 * Similarity of the numbers of kept channels per layer in consecutive epochs: 1 minus the mean over layers of |a - b| /
 * (a + b) (Shen et al., "When to Prune? A Policy towards Early Structural Pruning", CVPR 2022; threshold 0.983 read off
 * its figure for magnitudes on ImageNet). It does not matter which channels are kept.
 */
import { above, type Detector, keptByLayer, mean, UNDECIDED } from './detector';

/** Similarity of two masks; a layer that keeps nothing in either counts as equal. */
export function structureSimilarity(a: Uint8Array, b: Uint8Array, layers: readonly number[]): number {
  const [first, second] = [keptByLayer(a, layers), keptByLayer(b, layers)];
  const differences = first.map((kept, layer) => {
    const sum = kept + second[layer]!;
    return sum === 0 ? 0 : Math.abs(kept - second[layer]!) / sum;
  });
  return 1 - mean(differences);
}

export const structure: Detector = {
  signal: 'similarity of kept counts',
  byLayer: true,
  settled: 'above',
  held: ({ window }) => ({ masks: window + 1, losses: 0 }),
  judge({ layers, masks }, settings) {
    if (masks.length < settings.window + 1) return UNDECIDED;
    const pairs = masks.slice(-settings.window - 1);
    return above(mean(pairs.slice(1).map((mask, i) => structureSimilarity(pairs[i]!, mask, layers))), settings);
  },
};
