/** Runs one part of a study: the dense search of a seed, or a ticket or control. Each has a folder of its own. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/pth';
import { numbersOf } from '../checkpoint/value';
import { cutAndRetrain } from '../cost/cut-and-retrain';
import type { Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import type { MaskResult, NativeModel } from '../native/types/model';
import type { DrawMask } from '../prune/prune';
import { identityOf } from '../recipe/identity';
import { percentOf } from '../recipe/ratio';
import { entriesFor, parseRecipe, type StudyRecipe } from '../recipe/recipe';
import type { Control } from '../recipe/study';
import { RunDirectory } from '../run/directory';
import { checkpointFile, ticketFile } from '../run/names';
import type { RunOptions } from '../run/observer';
import { searchIn } from '../train/search';
import {
  type Channels,
  globalChannels,
  maskResult,
  randomChannels,
  rowNorms,
  type Scores,
  shuffledChannels,
  streamOf,
  uniformChannels,
  unpack,
} from './controls';
import { askedDraws, keptEpochs } from './draws';
import { type Entry, searchFolder } from './plan';

const INIT = 'init.pth.tar';
/** The mask that a ticket or control was cut by, as those of a search are. */
const MASK = 'mask.bits';

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

/** Trains the ticket for all epochs, from the first learning rate on. */
function retrainRecipe(recipe: StudyRecipe, { seed, folder, control }: Entry, ticket: string) {
  return parseRecipe('retrain', {
    ...entriesFor('retrain', recipe, ['cfg', 'arch', 'depth']),
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

/** A finished one is not run again, an interrupted one goes on. `best`: the epoch of the search's best checkpoint. */
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
      draw: maskDraw(recipe, entry, search),
      retrain: (ticket) => retrainRecipe(recipe, entry, ticket),
    },
    options,
    session,
  );
  await removeWeights(entry);
}

/** Of a finished entry: its figures stay. */
async function removeWeights({ folder }: Entry): Promise<void> {
  const names = ['pruned/pruned.pth.tar', 'retrain/checkpoint.pth.tar', 'retrain/model_best.pth.tar'];
  for (const name of names) await rm(join(folder, name), { force: true });
}

export const notKept = (epoch: number) =>
  `the weights after epoch ${epoch} were not kept by the search, which was run for other --draws: --force searches again`;

/** The file with the weights after so many epochs; null where they were not kept. */
export function weightsAfter(
  { save, epochs, ratios }: Pick<StudyRecipe, 'save' | 'epochs' | 'ratios'>,
  { seed, epoch }: Pick<Entry, 'seed' | 'epoch'>,
  best: number,
): string | null {
  const search = searchFolder(save, seed);
  const names = [
    ...(epoch === 0 ? [INIT] : []),
    ...(epoch === epochs ? ['checkpoint.pth.tar'] : []),
    ...(epoch > 0 ? [checkpointFile(epoch - 1)] : []),
    ...ratios.map((ratio) => ticketFile(ratio, epoch + 1)),
    ...(epoch === best ? ['model_best.pth.tar'] : []),
  ];
  return names.map((name) => join(search, name)).find((file) => existsSync(file)) ?? null;
}

/** The mask of an entry, and the rule where all gammas are equal. */
function maskDraw(recipe: StudyRecipe, { seed, ratio, epoch, control, folder }: Entry, search: string): DrawMask {
  return async (dense) => {
    const network = await describe(dense);
    const own = await ticketMask(dense, network, ratio);
    const random = (name: Control) => streamOf(name, seed, percentOf(ratio), epoch);
    const masks: Record<Control, () => Channels | Promise<Channels>> = {
      random: () => randomChannels(own, random('random')),
      shuffled: () => shuffledChannels(own, random('shuffled')),
      uniform: () => uniformChannels(network.gammas, ratio),
      'magnitude-at-init': async () => globalChannels(await norms(dense, join(search, INIT)), ratio),
      late: () => lastMask(search, ratio, recipe.epochs, network.widths),
      reinit: () => own,
      rewind: () => own,
    };
    const mask = maskResult(ratio, control === null ? own : await masks[control]());
    await writeFileAtomic(join(folder, MASK), mask.bits);
    return mask;
  };
}

interface Network {
  widths: number[];
  /** |gamma|; where all are equal, the L1 norms of the weights. */
  gammas: Scores;
  equal: boolean;
}

async function describe(dense: NativeModel): Promise<Network> {
  const { batchNorms } = dense.describe();
  const state = await dense.stateDict();
  const gammas = batchNorms.map(({ key }) => numbersOf(state.get(`${key}.weight`)!).map(Math.abs));
  const first = gammas[0]?.[0];
  const equal = gammas.every((layer) => layer.every((gamma) => gamma === first));
  const widths = batchNorms.map(({ channels }) => channels);
  return { widths, gammas: equal ? await ownNorms(dense) : gammas, equal };
}

/** The program's own mask of the gammas; before training they are all equal, and the L1 norms of the weights decide. */
async function ticketMask(dense: NativeModel, { widths, gammas, equal }: Network, ratio: number): Promise<Channels> {
  if (equal) return globalChannels(gammas, ratio);
  const [mask] = (await dense.masks([ratio])) as [MaskResult];
  if (mask.kept > 0) return unpack(mask.bits, widths);
  throw new EarlybirdError('ERR_PRUNE', `The mask at p = ${ratio} is empty.`);
}

async function ownNorms(dense: NativeModel): Promise<Scores> {
  const { batchNorms, layers } = dense.describe();
  const state = await dense.stateDict();
  return rowNorms(batchNorms, layers, (key) => numbersOf(state.get(`${key}.weight`)!));
}

async function norms(dense: NativeModel, file: string): Promise<Scores> {
  const { batchNorms, layers } = dense.describe();
  const state = stateDictOf((await readCheckpoint(file)).value, file);
  return rowNorms(batchNorms, layers, (key) => numbersOf(state.get(`${key}.weight`)!));
}

async function lastMask(search: string, ratio: number, epochs: number, widths: number[]): Promise<Channels> {
  const stored = await RunDirectory.at(search).readMasks(ratio);
  const bits = stored?.rows[epochs - stored.index.first];
  if (bits) return unpack(bits, widths);
  throw new EarlybirdError(
    'ERR_FILE',
    `${search} holds no mask of epoch ${epochs} at p = ${ratio}: --force searches again.`,
  );
}
