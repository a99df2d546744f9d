/** `earlybird bench`: what is timed, alone or beside the PyTorch peer. */
import { defineCommand, defineGroup } from '../command';

const step = defineCommand({
  options: 'benchStep',
  run: async (recipe, options) => {
    if (recipe.lowPrecision) return (await import('../../bench/low-precision.js')).benchLowPrecision(recipe, options);
    if (recipe.ticket !== undefined) return (await import('../../bench/ticket.js')).benchTicket(recipe, options);
    return (await import('../../bench/step-peer.js')).bench(recipe, options);
  },
  print: async (result) => {
    const { benchText, lowPrecisionText, ticketText, withMachine } = await import('../print/bench.js');
    const text =
      'memoryRatios' in result
        ? benchText(result)
        : 'overFlops' in result
          ? ticketText(result)
          : lowPrecisionText(result);
    return withMachine(result, text);
  },
});

const profile = defineCommand({
  options: 'benchProfile',
  run: async (recipe, options) => (await import('../../bench/profile.js')).benchProfile(recipe, options),
  print: async (result) => {
    const { profileText, withMachine } = await import('../print/bench.js');
    return withMachine(result, profileText(result));
  },
});

const detect = defineCommand({
  options: 'benchDetect',
  run: async (recipe, options) => (await import('../../bench/detect.js')).benchDetect(recipe, options),
  print: async (result) => {
    const { detectText, withMachine } = await import('../print/bench.js');
    return withMachine(result, detectText(result));
  },
});

const compare = defineCommand({
  options: 'benchCompare',
  run: async (recipe) => (await import('../../bench/compare.js')).compareBenches(recipe),
  print: async (result) => (await import('../print/bench.js')).compareText(result),
});

const report = defineCommand({
  options: 'benchReport',
  run: async (recipe) => (await import('../../bench/report.js')).benchReport(recipe),
  print: async (result) => (await import('../print/bench.js')).reportText(result),
});

const loader = defineCommand({
  options: 'benchLoader',
  run: async (recipe, options) =>
    recipe.single
      ? (await import('../../bench/loader-run.js')).timeLoader(recipe, options)
      : (await import('../../bench/loader.js')).benchLoader(recipe, options),
  print: async (result) =>
    'ours' in result
      ? (await import('../print/bench.js')).withMachine(result, (await import('../print/bench.js')).loaderText(result))
      : `${result.imagesPerSecond.toFixed(1)} images/s`,
});

const kernels = defineCommand({
  options: 'benchKernels',
  run: async (recipe, options) => (await import('../../bench/kernels.js')).benchKernels(recipe, options),
  print: async (result) =>
    (await import('../print/bench.js')).withMachine(result, (await import('../print/bench.js')).kernelsText(result)),
});

const energy = defineCommand({
  options: 'benchEnergy',
  run: async (recipe, options) =>
    recipe.dryRun
      ? (await import('../../cost/plan.js')).planEnergy(recipe)
      : (await import('../../cost/compare.js')).benchEnergy(recipe, options),
  print: async (result) => {
    const { energyText, planText } = await import('../print/cost.js');
    return 'groups' in result ? energyText(result) : planText(result);
  },
});

export const command = defineGroup([
  ['step', 'Time the training step, alone or beside the modes of a PyTorch peer (peer_train.py)', step],
  ['profile', 'Where the time of a training step goes, and how far it is from the floors of this machine', profile],
  ['detect', 'Time what looking for tickets adds to an epoch', detect],
  ['kernels', 'Time the quantiser against a copy of memory, alone or beside PyTorch (peer_quant.py)', kernels],
  ['loader', 'Time the loading of JPEG files, alone or beside Pillow (peer_loader.py)', loader],
  ['energy', 'Compare methods by accuracy, energy, FLOPs and time, at several ratios and seeds; resumable', energy],
  ['compare', 'Ratios of two results of one benchmark on one machine (--json output)', compare],
  ['report', 'What scripts/bench/gpu.sh measured, against the targets', report],
]);
