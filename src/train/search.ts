/** Search: train the dense network and watch for Early-Bird tickets. */
import { cfgOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/pth';
import type { Session } from '../engine/session';
import type { Cfg } from '../native/types/model';
import type { SearchRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import type { FinishedRun } from '../run/result';
import { runNetwork } from './network-run';

export async function search(
  recipe: SearchRecipe,
  options: RunOptions & { session?: Session } = {},
): Promise<FinishedRun> {
  const { ratios, detectorWindow: window, detectorThreshold: threshold, detectorRule: rule, stopAtTicket } = recipe;
  const prepare = async () => ({
    command: 'search' as const,
    cfg: recipe.cfg ?? (await cfgFrom(recipe.scratch)),
    startEpoch: recipe.startEpoch as number,
    detection: { ratios, options: { window, threshold, rule }, stopAtTicket },
    saveInit: true,
  });
  return runNetwork(recipe, 'search', prepare, options);
}

/** The widths a pruned.pth.tar holds; undefined without a file. */
export async function cfgFrom(path: string | undefined): Promise<Cfg | undefined> {
  if (path === undefined) return undefined;
  return cfgOf((await readCheckpoint(path)).value, path);
}
