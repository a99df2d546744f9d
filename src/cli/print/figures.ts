/** Result of `distance` as text, for people. */
import type { DistanceResult } from '../../ticket/distance';

export function distanceText(results: readonly DistanceResult[]): string {
  const line = ({ file, epochs, source }: DistanceResult) =>
    `${file}: ${epochs.length} x ${epochs.length}, after ${epochs[0]} to ${epochs.at(-1)} epochs, from ${source}`;
  return results.map(line).join('\n');
}
