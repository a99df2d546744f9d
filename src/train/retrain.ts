/** Retraining: train a ticket on, with its own weights (the paper's EB Train) or with new ones. */
import { cfgOf, stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/pth';
import type { Value } from '../checkpoint/value';
import type { Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import type { RetrainRecipe } from '../recipe/recipe';
import { optionsFor } from '../run/checkpoint-formats';
import { completedOf, networkFor, networkOf } from '../run/checkpoint-network';
import type { RunOptions } from '../run/observer';
import type { FinishedRun } from '../run/result';
import { runNetwork, type Variant } from './network-run';

/**
 * Begins at --start-epoch, else after the epochs the ticket has completed (0 with --reinit, or where the file does not say).
 * The optimiser begins with empty momentum, as in the reference. Without --scratch the dense network is trained.
 * Where the recipe leaves --arch, --depth or the word lengths to the ticket, they are filled in.
 */
export async function retrain(
  recipe: RetrainRecipe,
  options: RunOptions & { session?: Session } = {},
): Promise<FinishedRun> {
  const ticket = recipe.scratch === undefined ? null : (await readCheckpoint(recipe.scratch)).value;
  if (ticket) {
    const { arch, depth, formats } = networkFor(recipe, ticket, recipe.scratch!);
    const precision = optionsFor(recipe, ticket, recipe.scratch!, formats, options.observer?.log);
    Object.assign(recipe, { arch, depth, ...precision });
  }
  return runNetwork(recipe, 'retrain', async () => variantOf(recipe, ticket), options);
}

function variantOf(recipe: RetrainRecipe, value: Value): Variant {
  const explicit = recipe.startEpoch as number | undefined;
  // The dense network's initial weights are what a lottery-ticket rewind goes back to.
  const common = { command: 'retrain' as const, saveInit: !recipe.scratch };
  if (!recipe.scratch) return { ...common, cfg: recipe.cfg, startEpoch: explicit ?? 0 };
  const cfg = cfgOf(value, recipe.scratch);
  if (!cfg) {
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${recipe.scratch} holds no cfg: --scratch takes the pruned.pth.tar that prune writes.`,
    );
  }
  const { arch } = networkOf(value, recipe.scratch);
  if (arch !== undefined && arch !== recipe.arch) {
    throw new EarlybirdError('ERR_RECIPE', `--arch ${recipe.arch} does not fit ${recipe.scratch}: give ${arch}.`);
  }
  const completed = recipe.reinit ? 0 : (completedOf(value, recipe.scratch) ?? 0);
  return {
    ...common,
    cfg,
    weights: stateDictOf(value, recipe.scratch),
    reinit: recipe.reinit,
    startEpoch: explicit ?? completed,
  };
}
