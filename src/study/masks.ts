/** Draws the mask of a ticket or control from the weights of its draw, and stores it in the folder of the run. */
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/read';
import { EarlybirdError } from '../errors';
import type { NativeModel } from '../native/types/model';
import type { DrawMask } from '../prune/prune';
import { percentOf } from '../recipe/ratio';
import type { Control } from '../recipe/study';
import {
  byLayer,
  type Channels,
  maskResult,
  randomChannels,
  shuffledChannels,
  streamOf,
  uniformChannels,
  unpack,
} from './controls';
import type { Entry } from './plan';

/** Files of the initial and the last weights in the folder of a search. */
export const INIT = 'init.pth.tar';
export const LAST = 'checkpoint.pth.tar';
/** File of the mask that a run was cut by, packed as the masks of a search. */
const MASK = 'mask.bits';

/** Draws the mask of an entry. `search`: the folder of the search. */
export function maskDraw({ seed, ratio, epoch, control, folder }: Entry, search: string): DrawMask {
  return async (dense) => {
    const widths = dense.describe().batchNorms.map(({ channels }) => channels);
    const scores = await scoresOf(dense, seed);
    const ticket = await maskBy(dense, ratio, scores);
    const stream = (name: Control) => streamOf(name, seed, percentOf(ratio), epoch);
    const masks: Record<Control, () => Channels | Promise<Channels>> = {
      random: () => randomChannels(ticket, stream('random')),
      shuffled: () => shuffledChannels(ticket, stream('shuffled')),
      uniform: () => uniformChannels(byLayer(scores, widths), ratio),
      'magnitude-at-init': () => maskOf(dense, ratio, { file: join(search, INIT), criterion: 'l1', seed }),
      late: () => maskOf(dense, ratio, { file: join(search, LAST), criterion: 'gamma', seed }),
      reinit: () => ticket,
      rewind: () => ticket,
    };
    const mask = maskResult(ratio, control === null ? ticket : await masks[control]());
    await writeFileAtomic(join(folder, MASK), mask.bits);
    return mask;
  };
}

/** Scores by |gamma|. Before training all gammas are equal, so the norms of the filters replace them. */
async function scoresOf(dense: NativeModel, seed: number): Promise<number[]> {
  const gammas = await dense.scores({ criterion: 'gamma', seed });
  return gammas.some((gamma) => gamma !== gammas[0]) ? gammas : dense.scores({ criterion: 'l1', seed });
}

/** The mask that the program itself draws by scores. */
async function maskBy(dense: NativeModel, ratio: number, scores: number[]): Promise<Channels> {
  const [mask] = await dense.masks([ratio], { scores });
  const widths = dense.describe().batchNorms.map(({ channels }) => channels);
  if (mask && mask.kept > 0) return unpack(mask.bits, widths);
  throw new EarlybirdError('ERR_PRUNE', `The mask at p = ${ratio} is empty: too many scores are equal.`);
}

/** Draws the mask of other weights of the search. The network keeps those it has. */
async function maskOf(
  dense: NativeModel,
  ratio: number,
  { file, criterion, seed }: { file: string; criterion: 'gamma' | 'l1'; seed: number },
): Promise<Channels> {
  const own = await dense.stateDict();
  await dense.loadStateDict(await stateIn(file));
  const scores = await dense.scores({ criterion, seed });
  await dense.loadStateDict(own);
  return maskBy(dense, ratio, scores);
}

const stateIn = async (file: string) => stateDictOf((await readCheckpoint(file)).value, file);
