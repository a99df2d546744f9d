/** `earlybird prune`: cut a ticket out of a checkpoint. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'prune',
  describe: 'Cut the ticket at --percent out of a checkpoint: pruned.pth.tar and prune.txt',
  run: async (recipe, options) => (await import('../../prune/prune.js')).prune(recipe, options),
  print: async (report) => (await import('../print/prune.js')).pruneLog(report),
});
