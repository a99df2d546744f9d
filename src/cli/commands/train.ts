/** `earlybird train`. */
import { defineCommand } from '../command';

export const train = defineCommand({
  options: 'train',
  ranked: true,
  examples: [
    ['earlybird train --preset demo', 'the whole method on synthetic images, about two minutes on two cores'],
    ['earlybird train --preset vgg16-cifar10 --data DIR', "the paper's recipe: L1 term, batches of 256, 160 epochs"],
    ['earlybird train --preset vgg16-cifar10 --data DIR --compare-dense', 'with the dense network, to compare with'],
    ['earlybird train --preset vgg16-cifar10 --data DIR --variant ll', 'in 8 bits'],
    ['earlybird train --dataset folder --data DIR --arch resnet18 -sr', 'your own images, a folder for each class'],
  ],
  async run(recipe, options) {
    const { reportTrain } = await import('../../report/gather/reports.js');
    const { ebTrain: work } = await import('../../train/eb-train.js');
    const { withTensorboard } = await import('../../tensorboard/while.js');
    const run = await withTensorboard(recipe, options, (all) => work(recipe, all));
    return { ...run.result, report: await reportTrain(recipe, run, options.observer) };
  },
  print: async (result) => (await import('../print/run.js')).trainText(result),
});
