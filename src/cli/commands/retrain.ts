/** `earlybird retrain`. */
import { defineCommand } from '../command';

export const retrain = defineCommand({
  options: 'retrain',
  ranked: true,
  examples: [
    ['earlybird retrain --preset vgg16-cifar10 --data DIR --scratch PRUNED/pruned.pth.tar', 'with its own weights'],
    [
      'earlybird retrain --preset vgg16-cifar10 --data DIR --scratch PRUNED/pruned.pth.tar --reinit',
      'with new weights',
    ],
    ['earlybird retrain --preset vgg16-cifar10 --data DIR', 'the dense network, to compare with'],
  ],
  async run(recipe, options) {
    const { reportRetrain } = await import('../../report/gather/reports.js');
    const { retrain: work } = await import('../../train/retrain.js');
    const { withTensorboard } = await import('../../tensorboard/while.js');
    const run = await withTensorboard(recipe, options, (all) => work(recipe, all));
    const { speedOfTicket } = await import('../../prune/speed.js');
    const speed = recipe.scratch === undefined ? null : await speedOfTicket(recipe.scratch);
    return { ...run.result, speed, report: await reportRetrain(recipe, run, options.observer) };
  },
  print: async (result, { referenceMetrics }) => (await import('../print/run.js')).runText(result, referenceMetrics),
});
