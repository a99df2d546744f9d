/** The recipe of every command: one zod schema each, the only source of flags, help, params.json and presets. */
import { z } from 'zod';
import { EarlybirdError } from '../errors';
import { BENCH_SCHEMAS } from './bench-recipes';
import { formatsOf, PRECISION_KEYS, precisionOptions, settleVariant, VARIANTS } from './low-precision';
import {
  count,
  FILE,
  FOLDER,
  flagOf,
  hidden,
  OPTIONS,
  oneOf,
  option,
  RATIO,
  ratio,
  SWITCH,
  wholeNumber,
} from './option';
import { benchEnergySchema } from './recipe-energy';
import {
  AS_CHECKPOINT,
  BENCH_MODELS,
  batches,
  checkpoints,
  continuing,
  cutting,
  DATASETS,
  dataset,
  detector,
  energy,
  files,
  isWholePercent,
  launcher,
  lowPrecision,
  model,
  PEER_MODES,
  percent,
  prunedPrecision,
  runtime,
  saidNetwork,
  scratch,
  ticketNetwork,
  training,
  unused,
  unusedBits,
  WHOLE_PERCENTS,
} from './recipe-fields';

export { DATASETS, percentOf } from './recipe-fields';

export const searchSchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...training,
  ...lowPrecision(),
  ...detector,
  stopAtTicket: option(z.boolean().default(false), 'end the search once a ticket emerged at every ratio', SWITCH),
  ...checkpoints('all'),
  ...continuing(count(0).default(0), 'first epoch index'),
  scratch: scratch('pruned.pth.tar whose cfg the network takes'),
  ...launcher,
  ...energy,
  ...runtime,
});

export const retrainSchema = z.strictObject({
  ...files,
  ...dataset('cifar100'),
  ...model,
  ...ticketNetwork,
  ...training,
  ...lowPrecision('as the ticket says, else -1'),
  ...continuing(count(0).optional(), 'first epoch index; the epochs the ticket has completed, where it says so'),
  ...checkpoints('none'),
  scratch: scratch('the ticket: pruned.pth.tar; without it the dense network is trained'),
  reinit: option(z.boolean().default(false), 'draw new weights instead of inheriting those of the ticket', SWITCH),
  ...launcher,
  ...energy,
  ...runtime,
});

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
  ...cutting,
  ...prunedPrecision(),
  multiGPU: option(count(0).optional(), 'accepted for compatibility; prefixes are recognised', wholeNumber(0), {
    flag: 'multi-GPU',
    hidden: true,
  }),
  ...energy,
  ...runtime,
});

export const trainSchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...training,
  variant: option(
    z.enum(VARIANTS).optional(),
    "the paper's names: full or low precision in the search and in the retraining (lf: low, then full)",
    oneOf(VARIANTS),
    { defaultHelp: 'll where a --wl option is given, else ff; lf and ll take 8 bits where none is' },
  ),
  ...lowPrecision(),
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
  ...cutting,
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
  ...energy,
  ...runtime,
});

export const evaluateSchema = z.strictObject({
  ...unused,
  startEpoch: hidden(option(count(0).optional(), 'accepted for compatibility', wholeNumber(0))),
  ...dataset('cifar10'),
  ...saidNetwork,
  cfg: model.cfg,
  ...lowPrecision(AS_CHECKPOINT),
  ...batches,
  batchSize: option(count().optional(), 'images per test batch, as the evaluation scripts name it', wholeNumber(), {
    defaultHelp: 'as --test-batch-size',
  }),
  scratch: scratch('pruned.pth.tar whose cfg the network takes'),
  resume: option(z.string().optional(), 'checkpoint to evaluate (or --model)', FILE, { aliases: ['model'] }),
  ...launcher,
  ...energy,
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
  ...unusedBits,
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
  drawing: option(
    z.boolean().default(false),
    'draw accuracy against drawing epoch instead, from finished runs of train or retrain',
    SWITCH,
  ),
  output: option(z.string().min(1).optional(), 'folder of the sheet', FOLDER, {
    flag: 'save',
    defaultHelp: 'the first folder',
  }),
  name: option(
    z
      .string()
      .regex(/^[\w.-]+$/)
      .optional(),
    'file name of the figure, without extension',
    'a file name',
    { defaultHelp: 'mask-distance, or drawing-epoch' },
  ),
  title: option(z.string().optional(), 'network named in the figure', 'text'),
});

export const benchStepSchema = z.strictObject({
  model: option(z.enum(BENCH_MODELS).default('vgg16'), 'network', oneOf(BENCH_MODELS)),
  batchSize: option(count().default(64), 'images per training step', wholeNumber(), { aliases: ['batch'] }),
  steps: option(count().default(20), 'timed steps of a run', wholeNumber()),
  warmup: option(count().default(3), 'untimed steps before them', wholeNumber()),
  rounds: option(count().default(3), 'times that each program runs, in alternating order', wholeNumber()),
  peer: option(z.string().optional(), 'folder of peer_train.py; without it only this program is timed', FOLDER),
  modes: option(
    z
      .array(z.enum(PEER_MODES))
      .min(1)
      .default([...PEER_MODES]),
    'modes of the peer',
    `some of ${PEER_MODES.join(', ')}`,
  ),
  python: option(z.string().min(1).default('python3'), 'Python with PyTorch, for the peer', 'the name of a program'),
  timeout: option(count().default(900), 'seconds after which a run is given up', wholeNumber()),
  lowPrecision: option(
    z.boolean().default(false),
    'time low precision (8 bits everywhere, stochastic) beside full precision, each at fp32 and bf16; no peer',
    SWITCH,
  ),
  ticket: option(
    ratio().gt(0).optional(),
    'time the ticket of this pruning ratio beside the dense network; its gammas are drawn from --seed',
    RATIO,
    { defaultHelp: 'the dense network only' },
  ),
  roundTo: option(count().default(1), 'with --ticket: widths become multiples of this', wholeNumber()),
  ...runtime,
});

export const benchLoaderSchema = z.strictObject({
  data: option(z.string().min(1), 'folder of JPEG files, searched to its depths, or of shards (required)', FOLDER),
  packed: option(z.string().min(1).optional(), 'shards of the same images, timed as well', FOLDER),
  workers: option(count().max(1024).optional(), 'decoding threads of the runs on many cores', wholeNumber(), {
    defaultHelp: 'all cores',
  }),
  passes: option(count().default(3), 'timed passes over the images, after an untimed one', wholeNumber()),
  rounds: option(count().default(3), 'times that each program runs, in alternating order', wholeNumber()),
  batchSize: option(count().default(64), 'images of a batch', wholeNumber()),
  imageSize: option(count(32).default(224), 'side of the network input, pixels; the peer knows 224', wholeNumber(32)),
  peer: option(z.string().optional(), 'folder of peer_loader.py; without it only this program is timed', FOLDER),
  python: option(
    z.string().min(1).default('python3'),
    'Python with Pillow and PyTorch, for the peer',
    'the name of a program',
  ),
  timeout: option(count().default(900), 'seconds after which a run is given up', wholeNumber()),
  single: option(z.boolean().default(false), 'one run of this program, in this process', SWITCH, { hidden: true }),
  seed: runtime.seed,
});

export const benchKernelsSchema = z.strictObject({
  bits: option(count(2).max(22).default(8), 'word length of the quantiser', 'a whole number from 2 to 22'),
  repetitions: option(count().default(20), 'timed calls of each kernel', wholeNumber()),
  rounds: option(count().default(3), 'times that each program runs, in alternating order', wholeNumber()),
  peer: option(z.string().optional(), 'folder of peer_quant.py; without it only this program is timed', FOLDER),
  python: option(z.string().min(1).default('python3'), 'Python with PyTorch, for the peer', 'the name of a program'),
  timeout: option(count().default(900), 'seconds after which a run is given up', wholeNumber()),
  device: runtime.device,
  noCuda: runtime.noCuda,
  threads: runtime.threads,
});

export const SCHEMAS = {
  search: searchSchema,
  prune: pruneSchema,
  retrain: retrainSchema,
  train: trainSchema,
  evaluate: evaluateSchema,
  distance: distanceSchema,
  plot: plotSchema,
  benchStep: benchStepSchema,
  benchLoader: benchLoaderSchema,
  benchKernels: benchKernelsSchema,
  ...BENCH_SCHEMAS,
  benchEnergy: benchEnergySchema,
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
export type BenchStepRecipe = Recipe<'benchStep'>;
export type BenchLoaderRecipe = Recipe<'benchLoader'>;
export type BenchKernelsRecipe = Recipe<'benchKernels'>;
export type BenchEnergyRecipe = Recipe<'benchEnergy'>;

const DEPTHS: Record<string, number> = {
  vgg: 19,
  resnet: 164,
  resnet18: 18,
  resnet34: 34,
  resnet50_official: 50,
  resnet50_prune: 50,
};

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
  const fromTicket = command === 'retrain' && recipe.scratch !== undefined;
  if (['search', 'retrain', 'train', 'benchEnergy'].includes(command) && !fromTicket) {
    recipe.arch ??= 'vgg';
    recipe.depth ??= defaultDepth(recipe.arch as string);
  }
  if (recipe.fromScratch === true && recipe.init !== undefined) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--init ${recipe.init} is not possible with --from-scratch, which draws new weights: give one of the two.`,
    );
  }
  if (recipe.dataset === 'imagenet' && ((recipe.filter ?? 'none') !== 'none' || Number(recipe.sparsityGt ?? 0) > 0)) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      '--filter and --sparsity-gt are not possible with --dataset imagenet: they are for images of 32 pixels, leave them out.',
    );
  }
  if (recipe.protective === true && (recipe.percent as number) >= 0.9) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--percent ${recipe.percent} is not possible with --protective, which keeps about a tenth of every layer: give a ratio below 0.9.`,
    );
  }
  if (command === 'benchEnergy' && !(recipe.methods as string[]).includes(recipe.baseline as string)) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--baseline ${recipe.baseline} is not among --methods ${(recipe.methods as string[]).join(' ')}: add it there, or give another one.`,
    );
  }
  if (command === 'train') settleVariant(recipe);
  // Elsewhere a checkpoint may still say what is left open here.
  if (['search', 'retrain', 'train'].includes(command) && !fromTicket) Object.assign(recipe, precisionOptions(recipe));
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
  const idle = new Set([
    ...(formatsOf(recipe) ? [] : PRECISION_KEYS),
    ...((recipe as { swa?: boolean }).swa ? [] : ['swaStart']),
  ]);
  return Object.fromEntries(
    Object.entries(recipe).filter(([key]) => OPTIONS.get(shape[key]!)?.identity !== false && !idle.has(key)),
  );
}
