/** The recipe of `detect`: the stored searches to replay, and the detectors. */
import { z } from 'zod';
import { DETECTOR_NAMES, parseDetector } from './detectors';
import { option, ratio } from './option';
import { isWholePercent } from './ratio';

const isDetector = (text: string) => {
  try {
    return text.split(',').every((one) => parseDetector(one));
  } catch {
    return false;
  }
};

export const detectSchema = z.strictObject({
  runs: option(z.array(z.string()).min(1), 'folders of searches, of train, or of studies', 'paths of folders', {
    positional: 'runs',
  }),
  detectors: option(
    z
      .array(z.string().refine(isDetector))
      .min(1)
      .default([...DETECTOR_NAMES]),
    'detectors to replay, with options where they are not the defaults: hamming,hamming:threshold=0.05:rule=consecutive',
    `some of ${DETECTOR_NAMES.join(', ')}, with options as in trend:window=8 (docs/detectors.md)`,
  ),
  ratios: option(
    z.array(ratio().refine(isWholePercent)).min(1).optional(),
    'pruning ratios',
    'numbers from 0 to 0.99 in whole percents',
    { defaultHelp: 'all whose masks are stored' },
  ),
  steps: option(
    z.boolean().default(false),
    'look at the masks inside epochs as well (search --mask-every): a window then counts these',
  ),
  calibrate: option(
    z.boolean().default(false),
    'also suggest a threshold for hamming: distances by chance, between the given runs of a network, and on the plateau of each run',
  ),
});
