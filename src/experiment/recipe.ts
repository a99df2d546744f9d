/**
 * The recipe of every command: one zod schema each, built from shared groups of fields. Names and defaults are the
 * reference's (its spec sections 1.1 and 1.2); what is new is marked so in the help text.
 */
import { z } from 'zod';
import { EarlybirdError } from '../errors';
import {
  count,
  FILE,
  FOLDER,
  flagOf,
  hidden,
  NON_NEGATIVE,
  nonNegative,
  OPTIONS,
  oneOf,
  option,
  POSITIVE,
  positive,
  RATIO,
  ratio,
  SWITCH,
  wholeNumber,
} from './option';

export const DATASETS = ['cifar10', 'cifar100', 'folder', 'synthetic'] as const;
const FILTERS = ['none', 'lowpass', 'highpass'] as const;
const RULES = ['reference', 'consecutive'] as const;
const PRECISIONS = ['auto', 'fp32', 'bf16'] as const;
const EMPTY_LAYERS = ['keep-one', 'remove'] as const;

const DEPTHS: Record<string, number> = {
  vgg: 19,
  resnet: 164,
  resnet18: 18,
  resnet50_official: 50,
  resnet50_prune: 50,
};

const files = {
  save: option(z.string().min(1).default('./logs'), 'folder of the run; created if missing', FOLDER, {
    identity: false,
  }),
};

const runtime = {
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
    'GPU to use, same as --device cuda:N; -1 for the CPU',
    'one GPU number, or -1',
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
  threads: option(count().optional(), 'CPU threads', wholeNumber(), { identity: false, defaultHelp: 'all cores' }),
  seed: option(count(0).default(1), 'seed of weights, order and augmentation', wholeNumber(0)),
};

const dataset = (standard: (typeof DATASETS)[number]) => ({
  dataset: option(z.enum(DATASETS).default(standard), 'dataset; folder is a folder of class folders', oneOf(DATASETS)),
  data: option(z.string().min(1).optional(), 'folder of the dataset', FOLDER, { identity: false }),
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

const cfgText = 'widths such as 64 64 M 128';
const model = {
  arch: option(
    z.string().min(1).default('vgg'),
    'network: vgg, resnet (PreResNet), resnet18, ...',
    'the name of a network',
  ),
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

const batches = {
  batchSize: option(count().default(64), 'images per training step', wholeNumber()),
  testBatchSize: option(count().default(256), 'images per test batch', wholeNumber()),
};

const training = {
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
  swa: option(
    z.boolean().default(false),
    'weight averaging; comes with low-precision training, only false is accepted yet',
    'false',
    {
      hidden: true,
    },
  ),
};

const continuing = (startEpoch: z.ZodType, startHelp: string) => ({
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

const KEEP = /^(all|none|ticket|every:[1-9]\d*)$/;
const checkpoints = (standard: string) => ({
  keepCheckpoints: option(
    z.string().regex(KEEP).default(standard),
    'which ckpt{e}.pth.tar stay on disk: every epoch, none, those up to the last ticket, every N-th',
    'all, none, ticket or every:N',
    { identity: false },
  ),
});

const WHOLE_PERCENTS = 'different numbers from 0 to 0.99 in whole percents';
const isWholePercent = (p: number) => Math.abs(p * 100 - Math.round(p * 100)) < 1e-9;
const detector = {
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

const emptyLayers = option(
  z.enum(EMPTY_LAYERS).default('keep-one'),
  'a layer that would lose every channel keeps its largest |gamma|, or is removed',
  oneOf(EMPTY_LAYERS),
);
const percent = option(ratio().default(0.5), 'pruning ratio p', RATIO);
const scratch = (help: string) => option(z.string().optional(), help, FILE);

export const searchSchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...training,
  ...detector,
  stopAtTicket: option(z.boolean().default(false), 'end the search once a ticket emerged at every ratio', SWITCH),
  ...checkpoints('all'),
  ...continuing(count(0).default(0), 'first epoch index'),
  scratch: scratch('pruned.pth.tar whose cfg the network takes'),
  ...runtime,
});

export const retrainSchema = z.strictObject({
  ...files,
  ...dataset('cifar100'),
  ...model,
  ...training,
  ...continuing(count(0).optional(), 'first epoch index; the epochs the ticket has completed, where it says so'),
  ...checkpoints('none'),
  scratch: scratch('the ticket: pruned.pth.tar; without it the dense network is trained'),
  reinit: option(z.boolean().default(false), 'draw new weights instead of inheriting those of the ticket', SWITCH),
  ...runtime,
});

/** The network of a checkpoint, which our own files name. */
const saidNetwork = {
  arch: option(z.string().optional(), 'network', 'the name of a network', {
    defaultHelp: 'as the checkpoint says, else vgg',
  }),
  depth: option(count().optional(), 'depth', wholeNumber(), {
    defaultHelp: 'as the checkpoint says, else 19 for vgg, 164 for resnet',
  }),
};

export const pruneSchema = z.strictObject({
  ...files,
  save: option(z.string().min(1).default('.'), 'folder to write pruned.pth.tar and prune.txt to', FOLDER),
  dataset: option(z.enum(DATASETS).optional(), 'dataset, for the number of classes', oneOf(DATASETS), {
    defaultHelp: 'as the checkpoint',
  }),
  data: option(z.string().optional(), 'accepted for compatibility; pruning needs no images', FOLDER, { hidden: true }),
  testBatchSize: option(count().default(256), 'accepted for compatibility; pruning needs no images', wholeNumber(), {
    hidden: true,
  }),
  ...saidNetwork,
  percent,
  model: option(z.string().min(1), 'checkpoint to prune (required)', FILE),
  init: option(z.string().optional(), 'checkpoint whose weights the ticket gets instead (lottery-ticket rewind)', FILE),
  emptyLayers,
  multiGPU: option(count(0).optional(), 'accepted for compatibility; prefixes are recognised', wholeNumber(0), {
    flag: 'multi-GPU',
    hidden: true,
  }),
  ...runtime,
});

export const trainSchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...training,
  percent: option(
    ratio().refine(isWholePercent).default(0.3),
    'pruning ratio p of the ticket',
    'a number from 0 to 0.99 in whole percents',
  ),
  ratios: option(detector.ratios.unwrap().optional(), 'further ratios to follow in the search', WHOLE_PERCENTS, {
    defaultHelp: 'only --percent',
  }),
  detectorWindow: detector.detectorWindow,
  detectorThreshold: detector.detectorThreshold,
  detectorRule: detector.detectorRule,
  emptyLayers,
  fromScratch: option(z.boolean().default(false), 'retrain the ticket from new weights, for all epochs', SWITCH),
  init: option(
    z.string().optional(),
    "checkpoint whose weights the ticket gets (lottery-ticket rewind); self for this run's initial weights",
    `${FILE}, or self`,
  ),
  compareDense: option(
    z.boolean().default(false),
    'train the dense network to the end as well, for comparison',
    SWITCH,
  ),
  ...checkpoints('none'),
  ...runtime,
});

/** The reference's evaluation scripts take every training option and use none. */
const unused = Object.fromEntries(
  Object.entries({ ...files, ...training }).map(([key, schema]) => [key, hidden(schema)]),
) as typeof files & typeof training;

export const evaluateSchema = z.strictObject({
  ...unused,
  startEpoch: hidden(option(count(0).optional(), 'accepted for compatibility', wholeNumber(0))),
  ...dataset('cifar10'),
  ...saidNetwork,
  cfg: model.cfg,
  ...batches,
  scratch: scratch('pruned.pth.tar whose cfg the network takes'),
  resume: option(z.string().optional(), 'checkpoint to evaluate (or --model)', FILE, { aliases: ['model'] }),
  ...runtime,
});

export const distanceSchema = z.strictObject({
  ...files,
  dataset: option(z.string().optional(), 'accepted for compatibility', 'a name', { hidden: true }),
  testBatchSize: option(count().optional(), 'accepted for compatibility', wholeNumber(), { hidden: true }),
  depth: option(count().optional(), 'accepted for compatibility; read from the checkpoints', wholeNumber(), {
    hidden: true,
  }),
  arch: option(z.string().optional(), 'accepted for compatibility; read from the checkpoints', 'a name', {
    hidden: true,
  }),
  model: option(z.string().optional(), 'accepted for compatibility', FILE, { hidden: true }),
  save_1: option(z.string().optional(), 'accepted for compatibility', FOLDER, { flag: 'save-1', hidden: true }),
  percent,
  ratios: option(
    z.array(ratio()).min(1).optional(),
    'several ratios at once, instead of --percent',
    'numbers from 0 up to 1',
  ),
  startEpoch: option(count(0).optional(), 'first row: the mask after this many completed epochs', wholeNumber(0), {
    defaultHelp: 'the first there is',
  }),
  endEpoch: option(count(0).optional(), 'last row (inclusive)', wholeNumber(0), { defaultHelp: 'the last there is' }),
  from: option(
    z.enum(['auto', 'masks', 'checkpoints']).default('auto'),
    'read masks/*.bits or the checkpoints',
    'auto, masks or checkpoints',
  ),
  noCuda: runtime.noCuda,
  gpuIds: runtime.gpuIds,
});

export const plotSchema = z.strictObject({
  folders: option(z.array(z.string()).min(1).default(['.']), 'folders of runs', 'paths of folders', {
    positional: true,
  }),
  ratios: option(z.array(ratio()).min(1).optional(), 'pruning ratios to draw', 'numbers from 0 up to 1', {
    defaultHelp: 'all there are',
  }),
  overlap: option(z.boolean().default(false), 'draw the overlap instead of the distance', SWITCH),
  output: option(z.string().min(1).optional(), 'folder of the sheet', FOLDER, {
    flag: 'save',
    defaultHelp: 'the first folder',
  }),
  name: option(
    z
      .string()
      .regex(/^[\w.-]+$/)
      .default('mask-distance'),
    'file name of the sheet, without extension',
    'a file name',
  ),
  title: option(z.string().optional(), 'network named in the figure', 'text'),
});

export const SCHEMAS = {
  search: searchSchema,
  prune: pruneSchema,
  retrain: retrainSchema,
  train: trainSchema,
  evaluate: evaluateSchema,
  distance: distanceSchema,
  plot: plotSchema,
};

export type Schemas = typeof SCHEMAS;
export type CommandName = keyof Schemas;
export type Recipe<C extends CommandName> = z.infer<Schemas[C]>;
export type SearchRecipe = Recipe<'search'>;
export type RetrainRecipe = Recipe<'retrain'>;
export type PruneRecipe = Recipe<'prune'>;
export type TrainRecipe = Recipe<'train'>;
export type EvaluateRecipe = Recipe<'evaluate'>;
export type DistanceRecipe = Recipe<'distance'>;
export type PlotRecipe = Recipe<'plot'>;

/** Integer percent of a ratio, as file names spell it: 0.3 -> 30. */
export function percentOf(ratio: number): number {
  return Math.round(ratio * 100);
}

/** The depth a network has when none is given. */
export function defaultDepth(arch: string): number {
  return DEPTHS[arch] ?? 19;
}

/** Validates and completes a recipe. Throws ERR_RECIPE with one sentence: option, value, what is allowed. */
export function parseRecipe<C extends CommandName>(command: C, input: Record<string, unknown>): Recipe<C> {
  const schema = SCHEMAS[command] as z.ZodObject;
  const result = schema.safeParse(input);
  if (!result.success) throw new EarlybirdError('ERR_RECIPE', explain(schema, input, result.error.issues[0]!));
  const recipe = result.data as Record<string, unknown>;
  if (['search', 'retrain', 'train'].includes(command) && recipe.depth === undefined) {
    recipe.depth = defaultDepth(recipe.arch as string);
  }
  if (recipe.swa === true) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      '--swa true is not possible yet: weight averaging comes with low-precision training.',
    );
  }
  return recipe as Recipe<C>;
}

function explain(schema: z.ZodObject, input: Record<string, unknown>, issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `The recipe has an unknown entry: ${issue.keys.join(', ')}.`;
  const key = String(issue.path[0]);
  const info = OPTIONS.get(schema.shape[key] as z.ZodType);
  const flag = `--${flagOf(key, info)}`;
  const value = input[key];
  if (value === undefined) return `${flag} is missing: give ${info?.allowed}.`;
  const shown = Array.isArray(value) ? value.join(' ') : String(value);
  return `${flag} ${shown} is not possible: give ${info?.allowed}.`;
}

/** The part of a recipe that decides what a run computes: two runs with equal identities give equal weights. */
export function identityOf(command: CommandName, recipe: object): Record<string, unknown> {
  const shape = SCHEMAS[command].shape as Record<string, z.ZodType>;
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => OPTIONS.get(shape[key]!)?.identity !== false));
}
