/** `earlybird bench`: what is timed, alone or beside the PyTorch peer. */
import type { CommandModule } from 'yargs';
import { defineCommand } from '../command';

const step = defineCommand({
  name: 'benchStep',
  command: 'step',
  describe: 'Time the training step, alone or beside the modes of a PyTorch peer (peer_train.py)',
  run: async (recipe, options) =>
    recipe.lowPrecision
      ? (await import('../../experiment/bench-low-precision.js')).benchLowPrecision(recipe, options)
      : (await import('../../experiment/bench-peer.js')).bench(recipe, options),
  print: async (result) => {
    const { benchText, lowPrecisionText } = await import('../text.js');
    return 'memoryRatios' in result ? benchText(result) : lowPrecisionText(result);
  },
});

const loader = defineCommand({
  name: 'benchLoader',
  command: 'loader',
  describe: 'Time the loading of JPEG files, alone or beside Pillow (peer_loader.py)',
  run: async (recipe, options) =>
    recipe.single
      ? (await import('../../experiment/loader-run.js')).timeLoader(recipe, options)
      : (await import('../../experiment/bench-loader.js')).benchLoader(recipe, options),
  print: async (result) =>
    'ours' in result
      ? (await import('../text.js')).loaderText(result)
      : `${result.imagesPerSecond.toFixed(1)} images/s`,
});

const kernels = defineCommand({
  name: 'benchKernels',
  command: 'kernels',
  describe: 'Time the quantiser against a copy of memory, alone or beside PyTorch (peer_quant.py)',
  run: async (recipe, options) => (await import('../../experiment/bench-kernels.js')).benchKernels(recipe, options),
  print: async (result) => (await import('../text.js')).kernelsText(result),
});

const energy = defineCommand({
  name: 'benchEnergy',
  command: 'energy',
  describe: 'Compare methods by accuracy, energy, FLOPs and time, at several ratios and seeds; resumable',
  run: async (recipe, options) =>
    recipe.dryRun
      ? (await import('../../experiment/energy-plan.js')).planEnergy(recipe)
      : (await import('../../experiment/bench-energy.js')).benchEnergy(recipe, options),
  print: async (result) => {
    const { energyText, planText } = await import('../energy-text.js');
    return 'groups' in result ? energyText(result) : planText(result);
  },
});

export const command: CommandModule = {
  command: 'bench <what>',
  describe: 'Time this program, alone or beside a PyTorch peer, or compare what methods cost',
  builder: (yargs) => yargs.command(step).command(loader).command(kernels).command(energy).demandCommand(1),
  handler: () => {},
};
