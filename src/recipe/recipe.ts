/** The recipe of every command: one zod schema each, from which flags, help, params.json and presets are derived. */
import type { z } from 'zod';
import { EarlybirdError } from '../errors';
import type { Arch } from '../native/types/network-data';
import { networkOf } from '../network/file';
import { DEFAULT_NETWORK, defaultDepth } from '../network/names';
import { BENCH_SCHEMAS, benchKernelsSchema, benchLoaderSchema, benchScaleSchema, benchStepSchema } from './benchmarks';
import { benchEnergySchema } from './cost';
import { detectSchema } from './detect';
import { withDetectorDefaults } from './detectors';
import { evaluateSchema, pruneSchema, retrainSchema, searchSchema, trainSchema } from './experiments';
import { exportSchema } from './export';
import { distanceSchema, plotSchema } from './figures';
import { benchJobSchema } from './job';
import { parseOptions } from './option';
import { precisionOptions } from './precision';
import { brokenRule } from './rules';
import { studySchema } from './study';
import { settleVariant } from './variant';

export const SCHEMAS = {
  search: searchSchema,
  prune: pruneSchema,
  retrain: retrainSchema,
  train: trainSchema,
  evaluate: evaluateSchema,
  export: exportSchema,
  distance: distanceSchema,
  detect: detectSchema,
  plot: plotSchema,
  benchStep: benchStepSchema,
  benchScale: benchScaleSchema,
  benchLoader: benchLoaderSchema,
  benchKernels: benchKernelsSchema,
  ...BENCH_SCHEMAS,
  benchEnergy: benchEnergySchema,
  benchJob: benchJobSchema,
  study: studySchema,
};

type Schemas = typeof SCHEMAS;
/** Commands that take a recipe. */
export type CommandName = keyof Schemas;
/** A validated recipe. Entries have the names of the options in camel case. */
export type Recipe<C extends CommandName> = z.infer<Schemas[C]>;
/** Options of `earlybird search`. */
export type SearchRecipe = Recipe<'search'>;
/** Options of `earlybird retrain`. */
export type RetrainRecipe = Recipe<'retrain'>;
/** Options of `earlybird prune`. */
export type PruneRecipe = Recipe<'prune'>;
/** Options of `earlybird train`. */
export type TrainRecipe = Recipe<'train'>;
/** Options of `earlybird evaluate`. */
export type EvaluateRecipe = Recipe<'evaluate'>;
/** Options of `earlybird export`. */
export type ExportRecipe = Recipe<'export'>;
/** Options of `earlybird distance`. */
export type DistanceRecipe = Recipe<'distance'>;
/** Options of `earlybird detect`. */
export type DetectRecipe = Recipe<'detect'>;
/** Options of `earlybird plot`. */
export type PlotRecipe = Recipe<'plot'>;
/** Options of `earlybird bench step`. */
export type BenchStepRecipe = Recipe<'benchStep'>;
/** Options of `earlybird bench scale`. */
export type BenchScaleRecipe = Recipe<'benchScale'>;
/** Options of `earlybird bench loader`. */
export type BenchLoaderRecipe = Recipe<'benchLoader'>;
/** Options of `earlybird bench kernels`. */
export type BenchKernelsRecipe = Recipe<'benchKernels'>;
/** Options of `earlybird bench energy`. */
export type BenchEnergyRecipe = Recipe<'benchEnergy'>;
/** Options of `earlybird bench job`. */
export type BenchJobRecipe = Recipe<'benchJob'>;
/** Options of `earlybird study`. */
export type StudyRecipe = Recipe<'study'>;

/**
 * Validates a recipe and fills in its defaults.
 *
 * @param command the command or function that the recipe is for: "search", "retrain", "prune", "train", "evaluate",
 * "distance", ...
 * @param input entries by the names of the options in camel case; absent ones take their defaults
 * @throws ERR_RECIPE with one sentence: option, value, and the values that are allowed
 */
export function parseRecipe<C extends CommandName>(command: C, input: Record<string, unknown>): Recipe<C> {
  const schema = SCHEMAS[command] as z.ZodObject;
  const recipe = parseOptions(schema, withNetwork(withDetectorDefaults(input)));
  const problem = brokenRule(recipe);
  if (problem) throw new EarlybirdError('ERR_RECIPE', problem);
  return complete(command, recipe) as Recipe<C>;
}

/**
 * Refuses a recipe that `parseRecipe` has not completed, as programs in JavaScript have no types to prevent it. Throws
 * ERR_RECIPE.
 */
export function requireParsed(command: CommandName, recipe: object): void {
  const missing = Object.entries(SCHEMAS[command].shape as Record<string, z.ZodType>).find(
    ([key, schema]) => schema.def.type === 'default' && (recipe as Record<string, unknown>)[key] === undefined,
  );
  if (missing)
    throw new EarlybirdError(
      'ERR_RECIPE',
      `The recipe has no entry "${missing[0]}": make it with parseRecipe('${command}', { ... }), which fills in what is left out.`,
    );
}

/** The entries of a recipe that another command has as well, except those in `without`. */
export function entriesFor(
  command: CommandName,
  recipe: object,
  without: readonly string[] = [],
): Record<string, unknown> {
  const { shape } = SCHEMAS[command];
  return Object.fromEntries(
    Object.entries(recipe).filter(([key]) => Object.hasOwn(shape, key) && !without.includes(key)),
  );
}

/** Reads the network file that `arch` names. */
function withNetwork(input: Record<string, unknown>): Record<string, unknown> {
  return input.arch === undefined ? input : { ...input, arch: networkOf(input.arch) };
}

/** Fills in network and number formats, unless a checkpoint may record them. */
function complete(command: CommandName, recipe: Record<string, unknown>): Record<string, unknown> {
  const fromTicket = command === 'retrain' && recipe.scratch !== undefined;
  if (!['search', 'retrain', 'train', 'benchEnergy', 'study'].includes(command) || fromTicket) return recipe;
  const { arch = DEFAULT_NETWORK, depth = defaultDepth(arch as Arch) } = recipe;
  const network: Record<string, unknown> = { ...recipe, arch, depth };
  if (command === 'benchEnergy') return network;
  const settled = command === 'train' ? { ...network, ...settleVariant(recipe) } : network;
  return { ...settled, ...precisionOptions(settled) };
}
