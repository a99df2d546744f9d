/** `earlybird search`. */
import { defineCommand } from '../command';

export const search = defineCommand({
  options: 'search',
  ranked: true,
  examples: [
    ['earlybird search --preset vgg16-cifar10 --data DIR', 'all 160 epochs, tickets at 30, 50 and 70 %'],
    ['earlybird search --preset vgg16-cifar10 --data DIR --stop-at-ticket', 'until there is one at every ratio'],
    ['earlybird search --dataset folder --data DIR --arch resnet18 -sr', 'your own images, a folder for each class'],
  ],
  async run(recipe, options) {
    const { reportSearch } = await import('../../report/gather/reports.js');
    const { search: work } = await import('../../train/search.js');
    const { withTensorboard } = await import('../../tensorboard/while.js');
    const run = await withTensorboard(recipe, options, (all) => work(recipe, all));
    return { ...run.result, report: await reportSearch(recipe, run, options.observer) };
  },
  print: async (result, { referenceMetrics }) => (await import('../print/run.js')).runText(result, referenceMetrics),
});
