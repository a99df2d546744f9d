/** `earlybird train`: EB Train in one go. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'train',
  describe: 'Search until a ticket emerges, prune it out, train only that, and report',
  run: async (recipe, options) => (await import('../../train/eb-train.js')).ebTrain(recipe, options),
  print: async (result) => (await import('../print/run.js')).trainText(result),
});
