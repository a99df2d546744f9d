/** `earlybird plot`. */
import { defineCommand } from '../command';

export const plot = defineCommand({
  options: 'plot',
  examples: [
    ['earlybird plot SAVE', 'the mask-distance matrices of a search'],
    ['earlybird plot SAVE_A SAVE_B --ratios 0.3', 'two runs side by side'],
    ['earlybird plot RUN_1 RUN_2 RUN_3 --drawing', 'accuracy against the epoch in which the ticket was drawn'],
  ],
  run: async (recipe, options) => (await import('../../report/gather/plot.js')).plot(recipe, options),
  print: ({ figures }) => figures.join('\n'),
});
