/** `earlybird bench`: times parts of this program, alone or beside the PyTorch peer. */
import { defineCommand, defineGroup } from '../command';

const step = defineCommand({
  options: 'benchStep',
  examples: [
    ['earlybird bench step --model vgg16', 'the training step of VGG-16'],
    ['earlybird bench step --ticket 0.5', 'the ticket of half the channels beside its dense network'],
  ],
  run: async (recipe, options) => {
    if (recipe.besideLoad !== undefined)
      return (await import('../../bench/beside-load.js')).benchBesideLoad(recipe, options);
    if (recipe.lowPrecision) return (await import('../../bench/low-precision.js')).benchLowPrecision(recipe, options);
    if (recipe.ticket !== undefined) return (await import('../../bench/ticket.js')).benchTicket(recipe, options);
    return (await import('../../bench/step-peer.js')).benchStep(recipe, options);
  },
  print: async (result) => (await import('../print/step.js')).stepText(result),
});

const scale = defineCommand({
  options: 'benchScale',
  examples: [['earlybird bench scale --ranks 2', 'one rank and two on this machine']],
  run: async (recipe, options) => {
    const { benchScale, timeScale } = await import('../../bench/scale.js');
    return recipe.single ? timeScale(recipe, options) : benchScale(recipe, options);
  },
  print: async (result) =>
    'rows' in result
      ? (await import('../print/scale.js')).scaleText(result)
      : `${result.imagesPerSecond.toFixed(1)} images/s`,
});

const profile = defineCommand({
  options: 'benchProfile',
  examples: [
    ['earlybird bench profile --model resnet18', 'where a step of ResNet-18 spends its time'],
    ['earlybird bench profile --ticket 0.5', 'the same of a ticket of half the channels'],
  ],
  run: async (recipe, options) => (await import('../../bench/profile.js')).benchProfile(recipe, options),
  print: async (result) => (await import('../print/profile.js')).profileText(result),
});

const detect = defineCommand({
  options: 'benchDetect',
  examples: [['earlybird bench detect --model vgg16', 'what masks and distances add to an epoch']],
  run: async (recipe, options) => (await import('../../bench/detect.js')).benchDetect(recipe, options),
  print: async (result) => (await import('../print/bench-detect.js')).benchDetectText(result),
});

const compare = defineCommand({
  options: 'benchCompare',
  examples: [['earlybird bench compare before.json after.json', 'two results of bench step --json']],
  run: async (recipe) => (await import('../../bench/compare.js')).compareBenches(recipe),
  print: async (result) => (await import('../print/compare.js')).compareText(result),
});

const loader = defineCommand({
  options: 'benchLoader',
  examples: [['earlybird bench loader --data DIR', 'how many images a second are read']],
  run: async (recipe, options) =>
    recipe.single
      ? (await import('../../bench/loader-run.js')).timeLoader(recipe, options)
      : (await import('../../bench/loader.js')).benchLoader(recipe, options),
  print: async (result) =>
    'ours' in result
      ? (await import('../print/loader.js')).loaderText(result)
      : `${result.imagesPerSecond.toFixed(1)} images/s`,
});

const kernels = defineCommand({
  options: 'benchKernels',
  examples: [['earlybird bench kernels', 'the quantiser beside a copy of memory']],
  run: async (recipe, options) => (await import('../../bench/kernels.js')).benchKernels(recipe, options),
  print: async (result) => (await import('../print/kernels.js')).kernelsText(result),
});

const energy = defineCommand({
  options: 'benchEnergy',
  examples: [
    ['earlybird bench energy --preset vgg16-cifar100 --data DIR --dry-run', 'the runs, their FLOPs and times'],
    [
      'earlybird bench energy --preset vgg16-cifar100 --data DIR --save runs/table',
      'the table; the same command goes on',
    ],
  ],
  run: async (recipe, options) =>
    recipe.dryRun
      ? (await import('../../cost/plan.js')).planEnergy(recipe)
      : (await import('../../cost/compare.js')).benchEnergy(recipe, options),
  print: async (result) => {
    const { energyText, planText } = await import('../print/cost.js');
    return 'groups' in result ? energyText(result) : planText(result);
  },
});

const job = defineCommand({
  options: 'benchJob',
  examples: [
    [
      'earlybird bench job --data DIR --limit-train 5000 --epochs 40 --save runs/job',
      'ours beside both modes of the peer',
    ],
  ],
  run: async (recipe, options) => (await import('../../cost/job/job.js')).benchJob(recipe, options),
  print: async (result) => (await import('../print/cost.js')).jobText(result),
});

export const bench = defineGroup([
  ['step', 'Time the training step, alone or beside the modes of a PyTorch peer', step],
  ['scale', 'Time the training step on one and on several ranks, alone or beside PyTorch DDP', scale],
  ['profile', 'Show what a training step spends its time on, and how far it is from the roofline', profile],
  ['detect', 'Time what the detection of tickets adds to an epoch', detect],
  ['kernels', 'Time the quantiser against a copy of memory, alone or beside PyTorch', kernels],
  ['loader', 'Time the loading of JPEG files, alone or beside the loaders of other libraries', loader],
  ['energy', 'Compare methods by accuracy, energy, FLOPs and time, at several ratios and seeds; resumable', energy],
  ['job', 'Do a whole job, from new weights to a trained ticket, beside a PyTorch peer; resumable', job],
  ['compare', 'Ratios of two results of one benchmark on one machine (--json output)', compare],
]);
