/**
 * The options that recipes are built from, in groups. Names and defaults are the reference's (its spec sections 1.1 and
 * 1.2) where it has them.
 */
import { z } from 'zod';
import {
  count,
  FILE,
  FOLDER,
  hidden,
  NON_NEGATIVE,
  nonNegative,
  oneOf,
  option,
  POSITIVE,
  positive,
  RATIO,
  ratio,
  SWITCH,
  wholeNumber,
} from './option';

export const DATASETS = ['cifar10', 'cifar100', 'imagenet', 'folder', 'synthetic'] as const;
const FILTERS = ['none', 'lowpass', 'highpass'] as const;
const RULES = ['reference', 'consecutive'] as const;
const PRECISIONS = ['auto', 'fp32', 'bf16'] as const;
const ROUNDINGS = ['stochastic', 'nearest'] as const;
const FLAVOURS = ['qtorch', 'swalp'] as const;
const NON_FINITE = ['error', 'propagate'] as const;
export const BENCH_MODELS = ['vgg16', 'preresnet101', 'resnet18', 'resnet50'] as const;
export const PEER_MODES = ['reference', 'tuned', 'compiled'] as const;
const EMPTY_LAYERS = ['keep-one', 'remove'] as const;
const SURGERIES = ['reference', 'exact'] as const;

export const files = {
  save: option(z.string().min(1).default('./logs'), 'folder of the run; created if missing', FOLDER, {
    identity: false,
  }),
};

export const runtime = {
  device: option(
    z
      .string()
      .regex(/^(auto|cpu|cuda(:\d+)?)$/)
      .default('auto'),
    'where to compute; cuda is an error where there is none, auto takes a GPU if there is one',
    'auto, cpu, cuda or cuda:N',
    { identity: false },
  ),
  noCuda: option(z.boolean().default(false), 'same as --device cpu', SWITCH, { identity: false }),
  gpuIds: option(
    z
      .string()
      .regex(/^-?\d+(,\d+)*$/)
      .optional(),
    'GPUs, same as --device cuda:N, which wins; so far the first one computes; -1 for the CPU',
    'GPU numbers such as 0,1, or -1',
    {
      identity: false,
      defaultHelp: 'as --device',
    },
  ),
  precision: option(
    z.enum(PRECISIONS).default('auto'),
    'arithmetic of forward and backward passes; auto is fp32',
    oneOf(PRECISIONS),
  ),
  threads: option(count().max(1024).optional(), 'CPU threads', 'a whole number from 1 to 1024', {
    identity: false,
    defaultHelp: 'all cores',
  }),
  seed: option(count(0).default(1), 'seed of weights, order and augmentation', wholeNumber(0)),
};

/** What a run tells of its energy (energy.ts). */
export const energy = {
  energy: option(
    z.enum(['auto', 'off']).default('auto'),
    'meter the energy of the GPU, the processor and its memory where the machine can be read: energy.json',
    'auto or off',
    { identity: false },
  ),
  watts: option(positive().optional(), 'power to count where nothing can be read; flagged as an estimate', POSITIVE, {
    identity: false,
    defaultHelp: 'none',
  }),
  idleSeconds: option(nonNegative().default(0), 'measure the idle machine first, for N seconds', NON_NEGATIVE, {
    identity: false,
  }),
};

export const dataset = (standard: (typeof DATASETS)[number]) => ({
  dataset: option(z.enum(DATASETS).default(standard), 'dataset; folder is a folder of class folders', oneOf(DATASETS)),
  data: option(
    z.string().min(1).optional(),
    'folder of the dataset; imagenet: train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, or shards of "data pack"',
    FOLDER,
    { identity: false },
  ),
  limitTrain: option(count().optional(), 'use only N training images, all classes in proportion', wholeNumber(), {
    defaultHelp: 'all',
  }),
  limitTest: option(count().optional(), 'use only N test images, all classes in proportion', wholeNumber(), {
    defaultHelp: 'all',
  }),
  imageSize: option(
    count().optional(),
    'side of the square image in pixels, for datasets that can be resized',
    wholeNumber(),
    {
      defaultHelp: 'as the dataset',
    },
  ),
  workers: option(count().max(1024).optional(), 'imagenet: decoding threads', 'a whole number from 1 to 1024', {
    identity: false,
    defaultHelp: 'all cores',
  }),
  maxBad: option(
    count(0).default(100),
    'imagenet: images of one pass that may fail to decode; they are left out and counted, one more is an error',
    wholeNumber(0),
    { identity: false },
  ),
  filter: option(z.enum(FILTERS).default('none'), 'image filter', oneOf(FILTERS)),
  sigma: option(positive().default(1), 'width of the image filter, pixels', POSITIVE),
  sparsityGt: option(
    nonNegative().default(0),
    'input threshold: pixels of 0..1 not above it become 0; 0 is off',
    NON_NEGATIVE,
    {
      aliases: ['sparsify-gt'],
    },
  ),
});

const NETWORKS = 'network: vgg, resnet (PreResNet), resnet18, resnet34, resnet50_official, resnet50_prune';
const cfgText = 'widths such as 64 64 M 128';
export const model = {
  arch: option(z.string().min(1).default('vgg'), NETWORKS, 'the name of a network'),
  depth: option(count().optional(), 'depth of the network', wholeNumber(), {
    defaultHelp: '19 for vgg, 164 for resnet',
  }),
  cfg: option(
    z
      .array(z.union([count(), z.literal('M')]))
      .min(1)
      .optional(),
    'channel widths, M for a max-pool',
    cfgText,
    {
      defaultHelp: 'as the depth',
    },
  ),
};

export const batches = {
  batchSize: option(count().default(64), 'images per training step', wholeNumber()),
  testBatchSize: option(count().default(256), 'images per test batch', wholeNumber()),
};

/** Stochastic weight averaging, of low-precision training or any other. */
const averaging = {
  swa: option(
    z.boolean().default(false),
    'weight averaging: also test and save the mean of the weights after each epoch, in full precision (swa.pth.tar)',
    SWITCH,
  ),
  swaStart: option(count(0).default(160), 'first epoch index that --swa averages', wholeNumber(0)),
};

export const training = {
  sr: option(z.boolean().default(false), 'sparsity regularisation: add the L1 subgradient on BN gammas', SWITCH, {
    flag: 'sparsity-regularization',
    aliases: ['sr'],
  }),
  s: option(nonNegative().default(1e-4), 'strength of the L1 term', NON_NEGATIVE),
  ...batches,
  epochs: option(count().default(160), 'end of the epoch indexes (exclusive)', wholeNumber()),
  schedule: option(
    z.array(count(0)).default([80, 120]),
    'epoch indexes from which the learning rate is 0.1 times smaller',
    'whole numbers, 0 or more',
  ),
  lr: option(positive().default(0.1), 'initial learning rate', POSITIVE),
  momentum: option(nonNegative().default(0.9), 'SGD momentum', NON_NEGATIVE),
  weightDecay: option(nonNegative().default(1e-4), 'weight decay, on all parameters', NON_NEGATIVE, {
    aliases: ['wd'],
  }),
  logInterval: option(count().default(100), 'steps between two progress lines', wholeNumber(), { identity: false }),
  report: option(z.boolean().default(true), 'write report/index.html at the end', SWITCH, { identity: false }),
  ...averaging,
};

export const continuing = (startEpoch: z.ZodType, startHelp: string) => ({
  startEpoch: option(startEpoch, startHelp, wholeNumber(0)),
  resume: option(
    z.string().optional(),
    'checkpoint to go on from; a run that was interrupted resumes without this',
    FILE,
    {
      identity: false,
    },
  ),
});

const wordLength = (what: string, standard: string) =>
  option(
    z.union([z.literal(-1), z.number().int().min(2).max(22)]).optional(),
    `low precision: bits of ${what}; -1 is full precision`,
    '-1 or a whole number from 2 to 22',
    { defaultHelp: standard },
  );

/** Low precision in block floating point; `standard` says what holds where no word length is given. */
export const lowPrecision = (standard = '-1') => ({
  wlWeight: wordLength('weights', standard),
  wlActivate: wordLength('the outputs of convolutions', standard),
  wlGrad: wordLength('the gradients of weights', standard),
  wlError: wordLength('the gradients that come back to the outputs of convolutions', standard),
  wlMomentum: wordLength('momentum', standard),
  rounding: option(z.enum(ROUNDINGS).optional(), 'low precision: how values are rounded', oneOf(ROUNDINGS), {
    defaultHelp: standard === '-1' ? 'stochastic' : 'as the checkpoint says, else stochastic',
  }),
  bfpFlavour: option(
    z.enum(FLAVOURS).optional(),
    "low precision: the release's quantiser (qtorch) or SWALP's own",
    oneOf(FLAVOURS),
    { aliases: ['bfp-flavor'], defaultHelp: standard === '-1' ? 'qtorch' : 'as the checkpoint says, else qtorch' },
  ),
  nonFinite: option(
    z.enum(NON_FINITE).optional(),
    'low precision: infinities and NaN end the run with an error, or propagate',
    oneOf(NON_FINITE),
    { defaultHelp: 'error' },
  ),
  testRounding: option(
    z.enum(ROUNDINGS).optional(),
    'low precision: how outputs of convolutions are rounded while testing',
    oneOf(ROUNDINGS),
    { defaultHelp: 'as --rounding' },
  ),
});
export const AS_CHECKPOINT = 'as the checkpoint says, else -1';

/** What `prune` takes of it: the rest is accepted, as the release's scripts share their options. */
export const prunedPrecision = () => {
  const { nonFinite, testRounding, ...used } = lowPrecision(AS_CHECKPOINT);
  return { ...used, ...allHidden({ nonFinite, testRounding, ...averaging }) };
};

const KEEP = /^(all|none|ticket|every:[1-9]\d*)$/;
export const checkpoints = (standard: string) => ({
  keepCheckpoints: option(
    z.string().regex(KEEP).default(standard),
    'which ckpt{e}.pth.tar stay on disk: every epoch, none, those up to the last ticket, every N-th',
    'all, none, ticket or every:N',
    { identity: false },
  ),
});

export const WHOLE_PERCENTS = 'different numbers from 0 to 0.99 in whole percents';
export const isWholePercent = (p: number) => Math.abs(p * 100 - Math.round(p * 100)) < 1e-9;
export const detector = {
  ratios: option(
    z
      .array(ratio().refine(isWholePercent))
      .min(1)
      .default([0.3, 0.5, 0.7])
      .refine((list) => new Set(list.map(percentOf)).size === list.length),
    'pruning ratios to look for tickets at',
    WHOLE_PERCENTS,
  ),
  detectorWindow: option(
    count().default(5),
    'masks (rule reference) or distances (consecutive) that must agree',
    wholeNumber(),
  ),
  detectorThreshold: option(nonNegative().default(0.1), 'largest mask distance that counts as agreement', NON_NEGATIVE),
  detectorRule: option(
    z.enum(RULES).default('reference'),
    'reference: newest mask against each older one, at most the threshold; consecutive: adjacent masks, all below it',
    oneOf(RULES),
  ),
};

/** How a ticket is cut out, wherever that is done. */
export const cutting = {
  emptyLayers: option(
    z.enum(EMPTY_LAYERS).default('keep-one'),
    'a layer that would lose every channel keeps its largest |gamma|, or is removed',
    oneOf(EMPTY_LAYERS),
  ),
  surgery: option(
    z.enum(SURGERIES).default('reference'),
    "reference: the release's pruners; exact: the ticket computes what the masked dense network does",
    oneOf(SURGERIES),
  ),
  roundTo: option(
    count().default(1),
    'make layer widths multiples of N (such as 8) within the channels that the mask keeps; 1 is off',
    wholeNumber(),
  ),
  protective: option(
    z.boolean().default(false),
    'keep in every layer the channels above its 90 % point of |gamma|, whatever the mask; --percent below 0.9',
    SWITCH,
  ),
  measure: option(
    z.boolean().default(true),
    'time training steps of the dense network and of the ticket once that is written: 4 each, seconds on a CPU for images of 32 pixels, up to a minute for 224',
    SWITCH,
    { identity: false },
  ),
};
export const percent = option(ratio().default(0.5), 'pruning ratio p', RATIO);
/** No part of a run's identity: the contents of the file are (network-run.ts). */
export const scratch = (help: string) => option(z.string().optional(), help, FILE, { identity: false });

/** The network of a checkpoint, which our own files name. */
export const saidNetwork = {
  arch: option(z.string().optional(), 'network', 'the name of a network', {
    defaultHelp: 'as the checkpoint says, else vgg',
  }),
  depth: option(count().optional(), 'depth', wholeNumber(), {
    defaultHelp: 'as the checkpoint says, else 19 for vgg, 164 for resnet',
  }),
};

/** Where a ticket is retrained it names its network; `retrain` fills both in, so that what reads a recipe finds them. */
export const ticketNetwork = {
  arch: option(model.arch.unwrap().optional(), NETWORKS, 'the name of a network', {
    defaultHelp: 'as the ticket says, else vgg',
  }) as unknown as typeof model.arch,
  depth: option(count().optional(), 'depth of the network', wholeNumber(), {
    defaultHelp: 'as the ticket says, else 19 for vgg, 164 for resnet',
  }),
};

const unusedWidth = (flag: string) =>
  option(count(0).optional(), 'accepted for compatibility', wholeNumber(0), { flag, hidden: true });
/** The reference's mask script takes bit widths and uses none. */
export const unusedBits = {
  bitsA: unusedWidth('bits-A'),
  bitsW: unusedWidth('bits-W'),
  bitsG: unusedWidth('bits-G'),
  bitsE: unusedWidth('bits-E'),
  bitsR: unusedWidth('bits-R'),
};

/** What the reference's ResNet-50 scripts tell PyTorch's launcher. */
export const launcher = {
  localRank: option(count(0).optional(), 'accepted for compatibility', wholeNumber(0), {
    hidden: true,
    identity: false,
  }),
  port: option(count(0).optional(), 'accepted for compatibility', wholeNumber(0), { hidden: true, identity: false }),
};

/** The reference's evaluation scripts take every training option and use none. */
export const unused = allHidden({ ...files, ...training });

function allHidden<T extends Record<string, z.ZodType>>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).map(([key, schema]) => [key, hidden(schema)])) as T;
}

/** Integer percent of a ratio, as file names spell it: 0.3 -> 30. */
export function percentOf(ratio: number): number {
  return Math.round(ratio * 100);
}
