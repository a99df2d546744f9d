/** Runs one part of a study: the dense search of a seed, or a ticket or control. Each has a folder of its own. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cutAndRetrain } from '../cost/cut-and-retrain';
import type { Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import { identityOf } from '../recipe/identity';
import { SCHEDULE_KEYS } from '../recipe/precision-schedules';
import { entriesFor, parseRecipe, type StudyRecipe } from '../recipe/recipe';
import { checkpointFile, ticketFile } from '../run/names';
import type { RunOptions } from '../run/observer';
import { searchIn } from '../train/search';
import { askedDraws, keptEpochs } from './draws';
import { INIT, LAST, maskDraw } from './masks';
import { type Entry, searchFolder } from './plan';

export function searchRecipe(recipe: StudyRecipe, seed: number) {
  return parseRecipe('search', {
    ...entriesFor('search', recipe),
    save: searchFolder(recipe.save, seed),
    seed,
    keepCheckpoints: keptEpochs(askedDraws(recipe), recipe),
    report: false,
  });
}

export async function runSearch(
  recipe: StudyRecipe,
  seed: number,
  options: RunOptions,
  session: Session | null,
): Promise<void> {
  await searchIn(session, searchRecipe(recipe, seed), options);
}

/** Recipe that trains the ticket for all epochs, from the first learning rate on. */
function retrainRecipe(
  recipe: StudyRecipe,
  { seed, folder, control }: Pick<Entry, 'seed' | 'folder' | 'control'>,
  ticket: string,
) {
  // A retraining draws no masks for its precision to follow: it has the formats of the recipe throughout, as in `train`.
  const searchOnly = recipe.precisionSchedule === 'mask' ? SCHEDULE_KEYS : [];
  return parseRecipe('retrain', {
    ...entriesFor('retrain', recipe, ['cfg', 'arch', 'depth', ...searchOnly]),
    save: join(folder, 'retrain'),
    scratch: ticket,
    startEpoch: 0,
    reinit: control === 'reinit',
    seed,
    report: false,
  });
}

function cutRecipe(recipe: StudyRecipe, { seed, ratio, folder, control }: Entry, weights: string) {
  const { emptyLayers, surgery, roundTo, precision, device, threads } = recipe;
  return parseRecipe('prune', {
    ...{ emptyLayers, surgery, roundTo, precision, device, threads, seed },
    save: join(folder, 'pruned'),
    model: weights,
    init: control === 'rewind' ? join(searchFolder(recipe.save, seed), INIT) : undefined,
    percent: ratio,
    measure: false,
    energy: recipe.energy,
  });
}

/** Throws ERR_RECIPE where a part of the study would, before any of them has taken its hours. */
export function checkParts(recipe: StudyRecipe): void {
  const [seed] = recipe.seeds as [number];
  searchRecipe(recipe, seed);
  retrainRecipe(recipe, { seed, folder: recipe.save, control: null }, 'ticket');
}

/**
 * Runs an entry. A finished entry is not run again, an interrupted one is continued. `best`: the epoch of the search's
 * best checkpoint.
 */
export async function runEntry(
  recipe: StudyRecipe,
  entry: Entry,
  best: number,
  options: RunOptions,
  session: Session | null,
): Promise<void> {
  const { folder, control, epoch, draws, seed, ratio } = entry;
  const search = searchFolder(recipe.save, seed);
  const weights = weightsAfter(recipe, entry, best);
  if (weights === null) throw new EarlybirdError('ERR_PRUNE', notKept(epoch));
  const cut = cutRecipe(recipe, entry, weights);
  const { model, init, ...cutIdentity } = identityOf('prune', cut);
  const retrained = identityOf('retrain', retrainRecipe(recipe, entry, 'ticket'));
  await cutAndRetrain(
    {
      folder,
      identity: { ...retrained, ...cutIdentity, epoch, control },
      params: { command: 'study', draws, recipe, seed, ratio },
      cut,
      draw: maskDraw(entry, search),
      retrain: (ticket) => retrainRecipe(recipe, entry, ticket),
    },
    options,
    session,
  );
  await removeWeights(entry);
}

/** Removes the weights of a finished entry, whose figures stay. */
async function removeWeights({ folder }: Entry): Promise<void> {
  const names = ['pruned/pruned.pth.tar', 'retrain/checkpoint.pth.tar', 'retrain/model_best.pth.tar'];
  for (const name of names) await rm(join(folder, name), { force: true });
}

export const notKept = (epoch: number) =>
  `the weights after epoch ${epoch} were not kept by the search, which was run for other --draws: --force searches again`;

/** The file with the weights after that number of epochs; null where they were not kept. */
export function weightsAfter(
  { save, epochs, ratios }: Pick<StudyRecipe, 'save' | 'epochs' | 'ratios'>,
  { seed, epoch }: Pick<Entry, 'seed' | 'epoch'>,
  best: number,
): string | null {
  const search = searchFolder(save, seed);
  const names = [
    ...(epoch === 0 ? [INIT] : []),
    ...(epoch === epochs ? [LAST] : []),
    ...(epoch > 0 ? [checkpointFile(epoch - 1)] : []),
    ...ratios.map((ratio) => ticketFile(ratio, epoch + 1)),
    ...(epoch === best ? ['model_best.pth.tar'] : []),
  ];
  return names.map((name) => join(search, name)).find((file) => existsSync(file)) ?? null;
}
