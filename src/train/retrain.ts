/** Retraining: trains a ticket further, with its own weights (the paper's EB Train) or with new ones. */
import { extrasOf } from '../checkpoint/extras';
import { cfgOf } from '../checkpoint/keys';
import type { Value } from '../checkpoint/value';
import type { Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import type { ModelSpec } from '../native/types/model';
import { isSameArch } from '../network/file';
import { archName } from '../network/names';
import type { RetrainRecipe } from '../recipe/recipe';
import { precisionFor } from '../run/checkpoint-formats';
import { checkpointNetwork, networkFor, weightsOf } from '../run/checkpoint-network';
import { completedOf } from '../run/completed';
import { readGiven } from '../run/given';
import type { RunOptions } from '../run/observer';
import type { FinishedRun } from '../run/result';
import { type RunSpec, runNetwork } from './network-run';

/**
 * Trains the ticket `recipe.scratch`, or without one the dense network. It begins at `recipe.startEpoch`, else after
 * the epochs that the ticket has completed (0 with `recipe.reinit`, or where the file does not record them), with empty
 * momentum, as in the reference. Network and word lengths that the recipe leaves open are those of the ticket;
 * params.json has them filled in. Resumes like `search`.
 *
 * @param recipe from `parseRecipe('retrain', ...)`
 * @throws as `search`; ERR_CHECKPOINT where the ticket has no cfg
 *
 * @example
 * const recipe = parseRecipe('retrain', { dataset: 'cifar10', data: 'data', scratch: 'ticket/pruned.pth.tar', save: 'retrain' });
 * const { result } = await retrain(recipe);
 * console.log(result.top1Last, result.flops);
 */
export function retrain(recipe: RetrainRecipe, options: RunOptions = {}): Promise<FinishedRun> {
  return retrainIn(null, recipe, options);
}

/** Does the work of `retrain` in a shared session, or in one of its own. */
export async function retrainIn(
  session: Session | null,
  recipe: RetrainRecipe,
  options: RunOptions,
): Promise<FinishedRun> {
  if (recipe.scratch === undefined)
    return runNetwork(session, recipe, 'retrain', async () => denseSpec(recipe), options);
  const { scratch } = recipe;
  const { value } = await readGiven(scratch, 'scratch', { key: recipe.key });
  const network = networkFor(recipe, value, scratch);
  const { arch, depth, formats } = network;
  const precision = precisionFor(recipe, value, scratch, formats, options.observer?.log);
  const complete = { ...recipe, arch, depth, ...precision };
  const log = options.observer?.log;
  const spec = async () => ticketSpec(complete, value, scratch, network, log);
  return runNetwork(session, complete, 'retrain', spec, options);
}

/** Spec of a dense training, which saves the initial weights that a lottery-ticket rewind needs. */
function denseSpec({ cfg, startEpoch = 0 }: RetrainRecipe): RunSpec {
  return { command: 'retrain', saveInit: true, cfg, startEpoch };
}

function ticketSpec(
  { arch, reinit, startEpoch }: RetrainRecipe,
  value: Value,
  path: string,
  { cfg: widths, imageSize }: Pick<ModelSpec, 'cfg' | 'imageSize'>,
  log: ((line: string) => void) | undefined,
): RunSpec {
  // Files of other programs have no cfg, so the widths are taken from their weights.
  const cfg = cfgOf(value, path) ?? (extrasOf(value) ? undefined : widths);
  if (!cfg) {
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${path} holds no cfg: --scratch takes the pruned.pth.tar that prune writes.`,
    );
  }
  const recorded = checkpointNetwork(value, path).arch;
  if (recorded !== undefined && !isSameArch(recorded, arch!)) {
    const remedy = typeof recorded === 'string' ? `give ${recorded}` : 'leave it out, the ticket holds its network';
    throw new EarlybirdError('ERR_RECIPE', `--arch ${archName(arch!)} does not fit ${path}: ${remedy}.`);
  }
  return {
    command: 'retrain',
    saveInit: false,
    cfg,
    weights: weightsOf(arch, value, path, log),
    imageSize,
    reinit,
    startEpoch: startEpoch ?? (reinit ? 0 : (completedOf(value, path) ?? 0)),
  };
}
