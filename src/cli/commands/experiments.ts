/** `earlybird search, prune, retrain, train, evaluate`. */
import { defineCommand } from '../command';

export const search = defineCommand({
  options: 'search',
  examples: [
    ['earlybird search --preset vgg16-cifar10 --data DIR', 'all 160 epochs, tickets at 30, 50 and 70 %'],
    ['earlybird search --preset vgg16-cifar10 --data DIR --stop-at-ticket', 'until there is one at every ratio'],
    ['earlybird search --dataset folder --data DIR --arch resnet18 -sr', 'your own images, a folder for each class'],
  ],
  async run(recipe, options) {
    const { reportSearch } = await import('../../report/gather/reports.js');
    const run = await (await import('../../train/search.js')).search(recipe, options);
    return { ...run.result, report: await reportSearch(recipe, run, options.observer) };
  },
  print: async (result) => (await import('../print/run.js')).runText(result),
});

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

export const retrain = defineCommand({
  options: 'retrain',
  examples: [
    ['earlybird retrain --scratch PRUNED/pruned.pth.tar --dataset cifar10 --data DIR', 'with its own weights'],
    ['earlybird retrain --scratch PRUNED/pruned.pth.tar --dataset cifar10 --data DIR --reinit', 'with new weights'],
    ['earlybird retrain --dataset cifar10 --data DIR --arch vgg --depth 16', 'the dense network, to compare with'],
  ],
  async run(recipe, options) {
    const { reportRetrain } = await import('../../report/gather/reports.js');
    const run = await (await import('../../train/retrain.js')).retrain(recipe, options);
    return { ...run.result, report: await reportRetrain(recipe, run, options.observer) };
  },
  print: async (result) => (await import('../print/run.js')).runText(result),
});

export const train = defineCommand({
  options: 'train',
  examples: [
    ['earlybird train --preset demo', 'the whole method on synthetic images, about two minutes on two cores'],
    ['earlybird train --preset vgg16-cifar10 --data DIR', "the paper's recipe: L1 term, batches of 256, 160 epochs"],
    ['earlybird train --preset vgg16-cifar10 --data DIR --compare-dense', 'with the dense network, to compare with'],
    ['earlybird train --preset vgg16-cifar10 --data DIR --variant ll', 'in 8 bits'],
    ['earlybird train --dataset folder --data DIR --arch resnet18 -sr', 'your own images, a folder for each class'],
  ],
  async run(recipe, options) {
    const { reportTrain } = await import('../../report/gather/reports.js');
    const run = await (await import('../../train/eb-train.js')).ebTrain(recipe, options);
    const { shareOfDense } = await import('../../cost/training-flops.js');
    const report = await reportTrain(recipe, run, options.observer);
    return { ...run.result, trainingFlopsOverDense: shareOfDense(run.result, recipe), report };
  },
  print: async (result) => (await import('../print/run.js')).trainText(result),
});

export const evaluate = defineCommand({
  options: 'evaluate',
  examples: [
    ['earlybird evaluate SAVE/model_best.pth.tar --dataset cifar10 --data DIR', 'top-1 and top-5 on all test images'],
    ['earlybird evaluate SAVE/swa.pth.tar --dataset cifar10 --data DIR', 'the averaged weights of a run with --swa'],
  ],
  run: async (recipe, options) => (await import('../../train/evaluate.js')).evaluate(recipe, options),
  print: async (result) => (await import('../print/run.js')).evaluateText(result),
});
