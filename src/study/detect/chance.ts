/** Computes the distances that chance alone produces, between random masks with the same number of channels. */

/** Mean and standard deviation. */
export interface Chance {
  mean: number;
  sd: number;
}

/**
 * Mean and variance of the number of common channels where two masks keep `kept` of `total` at random: hypergeometric.
 */
function commonByChance(total: number, kept: number): { mean: number; variance: number } {
  const mean = total === 0 ? 0 : kept ** 2 / total;
  const variance = total <= 1 ? 0 : (kept * (total - kept)) ** 2 / (total ** 2 * (total - 1));
  return { mean, variance };
}

/**
 * Hamming distance over all channels of two masks that keep `kept[l]` channels at random in each layer of `widths[l]`.
 * With one layer of all channels, the masks have only their ratio in common.
 */
export function distanceByChance(widths: readonly number[], kept: readonly number[]): Chance {
  const total = widths.reduce((sum, width) => sum + width, 0);
  const layers = widths.map((width, layer) => commonByChance(width, kept[layer]!));
  const differing = layers.reduce((sum, { mean }, layer) => sum + 2 * (kept[layer]! - mean), 0);
  const variance = layers.reduce((sum, layer) => sum + 4 * layer.variance, 0);
  return { mean: differing / total, sd: Math.sqrt(variance) / total };
}
