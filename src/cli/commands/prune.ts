/** `earlybird prune`: cut a ticket out of a checkpoint. */
import { prune, pruneLog } from '../../experiment/prune';
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'prune',
  describe: 'Cut the ticket at --percent out of a checkpoint: pruned.pth.tar and prune.txt',
  run: prune,
  print: pruneLog,
});
