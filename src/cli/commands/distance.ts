/** `earlybird distance`. */
import { defineCommand } from '../command';

export const distance = defineCommand({
  options: 'distance',
  examples: [
    ['earlybird distance --save SAVE --ratios 0.3 0.5', 'from the masks or checkpoints of a search'],
    ['earlybird distance --save SAVE --percent 0.3 --from checkpoints', 'from ckpt*.pth.tar, also of the reference'],
  ],
  run: async (recipe, options) => (await import('../../ticket/distance.js')).distance(recipe, options),
  print: async (results) => (await import('../print/figures.js')).distanceText(results),
});
