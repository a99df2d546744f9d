/**
 * `earlybird detect RUN...`: tells when other detectors would have drawn a ticket in stored searches. Works without
 * LibTorch.
 */
import { defineCommand } from '../command';

export const detect = defineCommand({
  options: 'detect',
  examples: [
    ['earlybird detect SAVE', 'all detectors on the masks of a search'],
    ['earlybird detect SAVE --detectors hamming,hamming:threshold=0.05,trend:window=8', 'some, with other options'],
    ['earlybird detect SEED_1 SEED_2 SEED_3 --calibrate', 'which threshold suits this network'],
  ],
  run: async (recipe, options) => (await import('../../study/detect/detect.js')).detect(recipe, options),
  print: async (result) => (await import('../print/detect.js')).detectText(result),
});
