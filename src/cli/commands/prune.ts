/** `earlybird prune`. */
import { defineCommand } from '../command';

export const prune = defineCommand({
  options: 'prune',
  examples: [
    ['earlybird prune --model SAVE/EB-30-15.pth.tar --percent 0.3 --save PRUNED', 'a ticket of the search'],
    ['earlybird prune --model FILE --arch vgg --depth 16 --dataset cifar10', 'a PyTorch checkpoint of a known network'],
    ['earlybird prune --model FILE --percent 0.5 --surgery exact --round-to 8', 'widths that are multiples of 8'],
  ],
  run: async (recipe, options) => (await import('../../prune/prune.js')).prune(recipe, options),
  print: async (report) => (await import('../print/prune.js')).pruneLog(report),
});
