/** Draws the mask of a ticket or control from the weights of its draw, and keeps it in the folder of the run. */
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/pth';
import { numbersOf } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { NativeModel } from '../native/types/model';
import type { DrawMask } from '../prune/prune';
import { percentOf } from '../recipe/ratio';
import type { Control } from '../recipe/study';
import { RunDirectory } from '../run/directory';
import type { StateDict } from '../tensor';
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
import type { Entry } from './plan';

/** The initial weights, in the folder of a search. */
export const INIT = 'init.pth.tar';
/** The mask that a run was cut by, as those of a search are. */
const MASK = 'mask.bits';

/** `search`: the folder of the search, which had so many epochs. */
export function maskDraw({ seed, ratio, epoch, control, folder }: Entry, search: string, epochs: number): DrawMask {
  return async (dense) => {
    const { batchNorms } = dense.describe();
    const widths = batchNorms.map(({ channels }) => channels);
    const scores = scoresOf(dense, await dense.stateDict());
    const ticket = await ticketMask(dense, widths, scores, ratio);
    const stream = (name: Control) => streamOf(name, seed, percentOf(ratio), epoch);
    const masks: Record<Control, () => Channels | Promise<Channels>> = {
      random: () => randomChannels(ticket, stream('random')),
      shuffled: () => shuffledChannels(ticket, stream('shuffled')),
      uniform: () => uniformChannels(scores.scores, ratio),
      'magnitude-at-init': async () => globalChannels(normsOf(dense, await stateIn(join(search, INIT))), ratio),
      late: () => lastMask(search, ratio, epochs, widths),
      reinit: () => ticket,
      rewind: () => ticket,
    };
    const mask = maskResult(ratio, control === null ? ticket : await masks[control]());
    await writeFileAtomic(join(folder, MASK), mask.bits);
    return mask;
  };
}

/** |gamma|; before training all are equal and say nothing, and the L1 norms of the weights stand for them. */
function scoresOf(dense: NativeModel, state: StateDict): { scores: Scores; equal: boolean } {
  const gammas = dense.describe().batchNorms.map(({ key }) => numbersOf(state.get(`${key}.weight`)!).map(Math.abs));
  const first = gammas[0]?.[0];
  const equal = gammas.every((layer) => layer.every((gamma) => gamma === first));
  return { scores: equal ? normsOf(dense, state) : gammas, equal };
}

/** The program's own mask of the gammas where they differ. */
async function ticketMask(
  dense: NativeModel,
  widths: number[],
  { scores, equal }: { scores: Scores; equal: boolean },
  ratio: number,
): Promise<Channels> {
  if (equal) return globalChannels(scores, ratio);
  const [mask] = await dense.masks([ratio]);
  if (mask && mask.kept > 0) return unpack(mask.bits, widths);
  throw new EarlybirdError('ERR_PRUNE', `The mask at p = ${ratio} is empty: too many gammas are equal.`);
}

function normsOf(dense: NativeModel, state: StateDict): Scores {
  const { batchNorms, layers } = dense.describe();
  return rowNorms(batchNorms, layers, (key) => numbersOf(state.get(`${key}.weight`)!));
}

const stateIn = async (file: string) => stateDictOf((await readCheckpoint(file)).value, file);

async function lastMask(search: string, ratio: number, epochs: number, widths: number[]): Promise<Channels> {
  const stored = await RunDirectory.at(search).readMasks(ratio);
  const bits = stored?.rows[epochs - stored.index.first];
  if (bits) return unpack(bits, widths);
  throw new EarlybirdError(
    'ERR_FILE',
    `${search} holds no mask of epoch ${epochs} at p = ${ratio}: --force searches again.`,
  );
}
