/** `earlybird evaluate`. */
import { defineCommand } from '../command';

export const evaluate = defineCommand({
  options: 'evaluate',
  ranked: true,
  examples: [
    ['earlybird evaluate SAVE/model_best.pth.tar --dataset cifar10 --data DIR', 'top-1 and top-5 on all test images'],
    ['earlybird evaluate SAVE/swa.pth.tar --dataset cifar10 --data DIR', 'the averaged weights of a run with --swa'],
  ],
  run: async (recipe, options) => (await import('../../train/evaluate.js')).evaluate(recipe, options),
  print: async (result, { referenceMetrics }) =>
    (await import('../print/run.js')).evaluateText(result, referenceMetrics),
});
