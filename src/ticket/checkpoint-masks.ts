/** Draws the masks of a run from its checkpoints, by their gammas. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/read';
import { EarlybirdError } from '../errors';
import type { DistanceRecipe } from '../recipe/recipe';
import { epochsText } from '../run/names';
import { gammasOf, maskFromGammas } from './mask';

/** Masks of one run at one ratio; row i is the mask after epochs[i] completed epochs. */
export interface MaskSeries {
  ratio: number;
  channels: number;
  epochs: number[];
  masks: Uint8Array[];
}

/** Range of completed epochs, both included; undefined where the masks themselves end. */
export interface MaskRange {
  first: number | undefined;
  last: number | undefined;
}

/** Draws the masks of all checkpoints. ckpt{e}.pth.tar holds e+1 completed epochs, init.pth.tar none. */
export async function fromCheckpoints(
  { save: folder, key }: DistanceRecipe,
  ratios: number[],
  range: MaskRange,
  signal: AbortSignal | undefined,
): Promise<MaskSeries[]> {
  const epochs = await checkpointEpochs(folder, range);
  const series: MaskSeries[] = ratios.map((ratio) => ({ ratio, channels: 0, epochs, masks: [] }));
  for (const epoch of epochs) {
    signal?.throwIfAborted();
    const path = join(folder, checkpointName(epoch));
    const gammas = gammasOf(stateDictOf((await readCheckpoint(path, { key })).value, path));
    for (const one of series) {
      const { total, bits } = maskFromGammas(gammas, one.ratio);
      if (total === 0 || (one.masks.length > 0 && total !== one.channels)) {
        throw new EarlybirdError(
          'ERR_CHECKPOINT',
          `${path} has ${total} BatchNorm channels, unlike the checkpoints before it (${one.channels}).`,
        );
      }
      one.channels = total;
      one.masks.push(bits);
    }
  }
  return series;
}

const checkpointName = (completed: number) => (completed === 0 ? 'init.pth.tar' : `ckpt${completed - 1}.pth.tar`);

async function checkpointEpochs(folder: string, { first, last }: MaskRange): Promise<number[]> {
  const names = new Set(await readdir(folder).catch(() => [] as string[]));
  const present = [...names].flatMap((name) => {
    const epoch = name === 'init.pth.tar' ? '-1' : /^ckpt(\d+)\.pth\.tar$/.exec(name)?.[1];
    return epoch === undefined ? [] : [Number(epoch) + 1];
  });
  if (present.length === 0) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${folder} holds neither masks at this ratio nor checkpoints (ckpt0.pth.tar, ...): give --save the folder of a search.`,
    );
  }
  const start = first ?? Math.min(...present);
  const end = last ?? Math.max(...present);
  if (end < start) {
    const message =
      last === undefined
        ? `--start_epoch ${start} is not possible: give ${end} (the last epoch) or less.`
        : `--end_epoch ${end} is not possible: give ${start} (the first epoch) or more.`;
    throw new EarlybirdError('ERR_USAGE', message);
  }
  const wanted = Array.from({ length: end - start + 1 }, (_, i) => start + i);
  // Only a range that was not asked for may have gaps (--keep-checkpoints every:N).
  const isExplicit = first !== undefined || last !== undefined;
  const missing = wanted.find((epoch) => !names.has(checkpointName(epoch)));
  if (isExplicit && missing !== undefined) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${join(folder, checkpointName(missing))} is missing (mask after ${epochsText(missing)}): change --start_epoch or --end_epoch.`,
    );
  }
  return wanted.filter((epoch) => names.has(checkpointName(epoch)));
}
