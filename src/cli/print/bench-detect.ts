/** Results of `bench detect` as text. */
import type { DetectBench } from '../../bench/detect';
import { medianAndRange, withMachine } from './cells';

export function benchDetectText(result: DetectBench): string {
  const { model, channels, ratios, detectMs, wholeMs, epochSeconds, share, shareWithoutFiles, device } = result;
  return withMachine(result, [
    `${model} on ${device}: masks of ${ratios.join(', ')} over ${channels} channels, distances, detection: ${medianAndRange(detectMs, 3)} ms`,
    `with the masks written to their files: ${medianAndRange(wholeMs, 3)} ms`,
    `${(100 * share).toFixed(4)} % of an epoch of ${epochSeconds.toFixed(2)} s, ${(100 * shareWithoutFiles).toFixed(4)} % without the files`,
  ]);
}
