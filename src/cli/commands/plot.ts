/** `earlybird plot`: the mask-distance matrices of one or several runs in one sheet. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'plot',
  command: 'plot [folders..]',
  describe: 'Draw the matrices that distance or search wrote, or accuracy against drawing epoch (--drawing)',
  run: async (recipe, options) => (await import('../../report/gather/plot.js')).plot(recipe, options),
  print: async ({ figures }) => figures.join('\n'),
});
