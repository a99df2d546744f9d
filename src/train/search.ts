/** Search: trains the dense network and watches for Early-Bird tickets. */
import { extrasOf } from '../checkpoint/extras';
import { cfgOf, stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/read';
import type { Session } from '../engine/session';
import type { Cfg } from '../native/types/model';
import { inferNetwork } from '../network/infer';
import { detectorOf } from '../recipe/detectors';
import type { SearchRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { FinishedRun } from '../run/result';
import { runNetwork } from './network-run';

/**
 * Trains the dense network and saves a ticket, EB-{percent}-{number}.pth.tar, for each ratio at which one emerges. Writes
 * checkpoints, metrics.jsonl, record.txt, masks and result.json to `recipe.save` (docs/runs.md). The same call resumes an interrupted
 * run, and returns the result of a finished one at once.
 *
 * @param recipe from `parseRecipe('search', ...)`
 * @throws ERR_RECIPE where `recipe.save` holds another run and `options.force` is not set; ERR_DATASET, ERR_FILE,
 *   ERR_CHECKPOINT for data that cannot be read; ERR_NUMERIC where the loss diverges; the reason of `options.signal`
 *   once it aborts
 *
 * @example
 * const recipe = parseRecipe('search', { dataset: 'cifar10', data: 'data', sr: true, ratios: [0.3, 0.5], save: 'logs' });
 * const { result } = await search(recipe, { observer: { log: console.error } });
 * console.log(result.tickets['30']?.file); // logs/EB-30-12.pth.tar
 */
export function search(recipe: SearchRecipe, options: RunOptions = {}): Promise<FinishedRun> {
  return searchIn(null, recipe, options);
}

/** Does the work of `search` in a shared session, or in one of its own. */
export function searchIn(session: Session | null, recipe: SearchRecipe, options: RunOptions): Promise<FinishedRun> {
  const { ratios, stopAtTicket } = recipe;
  const prepare = async () => ({
    command: 'search' as const,
    cfg: recipe.cfg ?? (await cfgFrom(recipe)),
    startEpoch: recipe.startEpoch,
    detection: { ratios, detector: detectorOf(recipe), stopAtTicket, ranking: recipe },
    saveInit: true,
  });
  return runNetwork(session, recipe, 'search', prepare, options);
}

/**
 * Widths of the ticket `scratch`, as it records them or its weights show them; undefined without a file. `key` is about
 * `resume` where that is given.
 */
export async function cfgFrom({
  scratch: path,
  resume,
  key,
}: Pick<SearchRecipe, 'scratch' | 'resume' | 'key'>): Promise<Cfg | undefined> {
  if (path === undefined) return undefined;
  const { value } = await readCheckpoint(path, { key: resume === undefined ? key : undefined });
  return cfgOf(value, path) ?? (extrasOf(value) ? undefined : inferNetwork(stateDictOf(value, path))?.cfg);
}
