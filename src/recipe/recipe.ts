/** The recipe of every command: one zod schema each, the only source of flags, help, params.json and presets. */
import type { z } from 'zod';
import { EarlybirdError } from '../errors';
import { defaultDepth } from '../network/names';
import { BENCH_SCHEMAS, benchKernelsSchema, benchLoaderSchema, benchStepSchema } from './benchmarks';
import { benchEnergySchema } from './cost';
import { evaluateSchema, pruneSchema, retrainSchema, searchSchema, trainSchema } from './experiments';
import { distanceSchema, plotSchema } from './figures';
import { parseOptions } from './option';
import { precisionOptions, settleVariant } from './precision';

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

/** Validates and completes a recipe. Throws ERR_RECIPE with one sentence: option, value, what is allowed. */
export function parseRecipe<C extends CommandName>(command: C, input: Record<string, unknown>): Recipe<C> {
  const recipe: Record<string, unknown> = parseOptions(SCHEMAS[command] as z.ZodObject, input);
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
