/** Reads what a replay needs of a stored search: masks, layers, metrics, costs. Nothing is trained or written. */

import { EarlybirdError } from '../../errors';
import type { Arch } from '../../native/types/network-data';
import { networkName } from '../../network/names';
import { RunDirectory, requireFolder, searchFolderOf } from '../../run/directory';
import type { EpochMetrics } from '../../run/metrics';
import { maskFile, stepMaskFile } from '../../run/names';
import type { RunResult } from '../../run/result';
import { layersUnder } from '../../ticket/layers';

/** Masks at one ratio by completed epochs, in order; a fraction stands for a mask inside an epoch. */
export interface StoredMasks {
  ratio: number;
  masks: ReadonlyMap<number, Uint8Array>;
}

export interface StoredSearch {
  /** Folder of the search, also where it is inside that of `train`. */
  folder: string;
  network: string;
  seed: number | null;
  /** Number N of bits of a mask. */
  channels: number;
  /** Number of channels of each layer; null where it is unknown. */
  layers: readonly number[] | null;
  series: StoredMasks[];
  metrics: EpochMetrics[];
  /** Number of epochs of the run; masks after it come too late for a ticket. */
  epochs: number;
  /** Number of training images of an epoch. */
  images: number | null;
  /** Forward FLOPs of one image; null until the search has finished. */
  forward: number | null;
}

interface Params {
  recipe?: { epochs?: number; arch?: Arch; depth?: number; cfg?: unknown[] };
  seed?: number;
  dataset?: { train: number };
}

/**
 * Reads the search in `run` at these ratios, or at all that it followed. `steps`: also reads the masks inside epochs.
 *
 * @throws ERR_FILE where the folder, its masks or those of a ratio are missing
 */
export async function readSearch(run: string, ratios?: readonly number[], steps = false): Promise<StoredSearch> {
  requireFolder(run);
  const folder = searchFolderOf(run);
  const directory = RunDirectory.at(folder);
  const index = await directory.readMaskIndex();
  if (!index)
    throw new EarlybirdError('ERR_FILE', `${folder} holds no masks (masks/index.json): give the folder of a search.`);
  const params = await directory.readJson<Params>('params.json');
  const result = await directory.readJson<Partial<RunResult>>('result.json');
  const { arch, depth, cfg, epochs } = params?.recipe ?? {};
  const metrics = await directory.readMetrics();
  return {
    folder,
    network: arch !== undefined && depth !== undefined ? networkName(arch, depth, cfg) : 'unknown network',
    seed: params?.seed ?? null,
    channels: index.channels,
    layers: await layersUnder(directory, index),
    series: await Promise.all(
      (ratios ?? index.ratios).map((ratio) => readSeries(directory, ratio, index.ratios, steps)),
    ),
    metrics,
    epochs: epochs ?? Number.POSITIVE_INFINITY,
    images: params?.dataset?.train ?? null,
    forward: result?.flops ?? null,
  };
}

async function readSeries(
  directory: RunDirectory,
  ratio: number,
  followed: readonly number[],
  steps: boolean,
): Promise<StoredMasks> {
  const stored = await directory.readMasks(ratio);
  if (!stored)
    throw new EarlybirdError(
      'ERR_FILE',
      `${directory.path} has no ${maskFile(ratio)}: give --ratios that its search followed (${followed.join(' ')}).`,
    );
  const masks = stored.rows.map((mask, i): [number, Uint8Array] => [stored.index.first + i, mask]);
  if (!steps) return { ratio, masks: new Map(masks) };
  const inside = await directory.readStepMasks(ratio);
  if (!inside)
    throw new EarlybirdError(
      'ERR_FILE',
      `${directory.path} has no ${stepMaskFile(ratio)}: leave out --steps, or search with --mask-every.`,
    );
  // An incomplete epoch may have masks, which a resumed search writes again.
  const last = masks.at(-1)?.[0] ?? 0;
  const within = [...inside].filter(([completed]) => completed < last);
  return { ratio, masks: new Map([...masks, ...within].sort(([a], [b]) => a - b)) };
}
