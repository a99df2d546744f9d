/** A row that cuts a ticket out of a network and trains it: a folder with pruned/, retrain/ and result.json. */
import { join } from 'node:path';
import type { Session } from '../engine/session';
import { lockFolder } from '../lock';
import { type DrawMask, pruneOnce } from '../prune/prune';
import type { PruneRecipe, RetrainRecipe } from '../recipe/recipe';
import { RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { retrainIn } from '../train/retrain';

export interface CutRow {
  folder: string;
  /** Identity of the row, which decides its result; its training has an identity of its own. */
  identity: Record<string, unknown>;
  /** Contents of params.json beside the identity. */
  params: object;
  cut: PruneRecipe;
  /** Draws the mask, where it is not that of the gammas. */
  draw?: DrawMask;
  retrain(ticket: string): RetrainRecipe;
}

/**
 * Runs the row. A finished row is not run again, an interrupted one is continued. `session`: one that several rows
 * share.
 */
export async function cutAndRetrain(row: CutRow, options: RunOptions, session: Session | null = null): Promise<void> {
  const { folder, identity } = row;
  using lock = await lockFolder(folder);
  const { directory, state } = await RunDirectory.open(lock, identity, options);
  if (state === 'finished') return;
  await directory.writeJson('params.json', { ...row.params, identity });
  // Without a checkpoint of the retraining, the ticket may belong to another recipe.
  const begun = await RunDirectory.at(join(folder, 'retrain')).readJson('params.json');
  const cut = await pruneOnce(
    row.cut,
    { ...options, force: options.force || begun === null },
    session?.energy,
    row.draw,
  );
  await retrainIn(session, row.retrain(cut.ticket), options);
  await directory.writeJson('result.json', cut);
}
