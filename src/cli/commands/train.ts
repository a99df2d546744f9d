/** `earlybird train`: EB Train in one go. */
import { ebTrain } from '../../experiment/eb-train';
import { defineCommand } from '../command';
import { trainText } from '../text';

export const command = defineCommand({
  name: 'train',
  describe: 'Search until a ticket emerges, prune it out, train only that, and report',
  run: ebTrain,
  print: trainText,
});
