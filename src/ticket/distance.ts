/** The mask-distance matrix of a run (paper Fig. 3; reference: mask_cr.py), from stored masks or from any folder of checkpoints. */
import { join } from 'node:path';
import { writeNpy } from '../checkpoint/npy';
import { EarlybirdError } from '../errors';
import { DERIVED, lockFolder } from '../lock';
import { loadAddon } from '../native/addon';
import type { NativeAddon } from '../native/types/addon';
import { isWholePercent } from '../recipe/ratio';
import type { DistanceRecipe, SearchRecipe } from '../recipe/recipe';
import { RunDirectory, requireFolder, searchFolderOf } from '../run/directory';
import { maskFile } from '../run/names';
import type { RunOptions } from '../run/observer';
import { fromCheckpoints, type MaskRange, type MaskSeries } from './checkpoint-masks';

/** The matrix of one ratio. */
export interface DistanceResult {
  ratio: number;
  /** Path of overlap_{p}.npy. */
  file: string;
  /** Completed epochs of each row and column. */
  epochs: number[];
  /** Number N of bits of a mask. */
  channels: number;
  /** Fractions of equal bits (1 - distance), shape [epochs, epochs], row-major. */
  overlap: Float64Array;
  /** Source of the masks. */
  source: 'masks' | 'checkpoints';
}

/**
 * Computes the mask-distance matrix of the run in `recipe.save` at every ratio, from stored masks or from checkpoints,
 * and writes it to overlap_{p}.npy there. In a folder of `train` it uses the search within.
 *
 * @param recipe from `parseRecipe('distance', ...)`
 * @throws ERR_FILE where masks or checkpoints of the asked epochs are missing, ERR_CHECKPOINT for a file that cannot
 *   be read, ERR_USAGE
 *
 * @example
 * const [matrix] = await distance(parseRecipe('distance', { save: 'logs', percent: 0.3 }));
 * const between = (i: number, j: number) => 1 - matrix!.overlap[i * matrix!.epochs.length + j]!;
 */
export async function distance(
  recipe: DistanceRecipe,
  { observer, signal }: RunOptions = {},
): Promise<DistanceResult[]> {
  const ratios = recipe.ratios ?? [recipe.percent];
  requireFolder(recipe.save);
  const save = searchFolderOf(recipe.save);
  const { source, series } = await readSeries({ ...recipe, save }, ratios, signal);
  const note = source === 'checkpoints' ? await otherRanking(save) : undefined;
  if (note) observer?.log?.(note);
  observer?.log?.(`${series[0]!.masks.length} masks of ${series[0]!.channels} channels from ${source} of ${save}`);
  const addon = loadAddon({ device: 'cpu' });
  const results: DistanceResult[] = [];
  using lock = await lockFolder(recipe.save, { name: DERIVED, wait: 10_000 });
  lock.requireWritable();
  for (const one of series) {
    const overlap = overlapOf(addon, one);
    const file = await writeMatrix(save, one, overlap);
    results.push({ ratio: one.ratio, file, epochs: one.epochs, channels: one.channels, overlap, source });
  }
  return results;
}

/** Overlap matrix of a series, computed by the native kernel. */
export function overlapOf(addon: NativeAddon, { masks, channels }: MaskSeries): Float64Array {
  return addon.maskOverlap(new Uint8Array(Buffer.concat(masks)), masks.length, channels);
}

/** Writes overlap_{p}.npy, a square float64 matrix, and overlap_{p}.json with the epochs of its rows. Returns the path of the first. */
export async function writeMatrix(
  folder: string,
  { ratio, epochs }: MaskSeries,
  matrix: Float64Array,
): Promise<string> {
  const file = join(folder, `overlap_${ratio}.npy`);
  const data = new Uint8Array(matrix.buffer, matrix.byteOffset, matrix.byteLength);
  await writeNpy(file, { dtype: 'float64', shape: [epochs.length, epochs.length], data });
  await RunDirectory.at(folder).writeJson(`overlap_${ratio}.json`, { completed: epochs });
  return file;
}

async function readSeries(recipe: DistanceRecipe, ratios: number[], signal: AbortSignal | undefined) {
  const range = { first: recipe.startEpoch, last: recipe.endEpoch };
  if (recipe.from !== 'checkpoints') {
    const stored = await Promise.all(ratios.map((ratio) => storedMasks(recipe.save, ratio)));
    if (stored.every((one) => one !== null)) {
      return { source: 'masks' as const, series: stored.map((one) => cut(one, range, recipe.save)) };
    }
    if (recipe.from === 'masks') {
      const missing = ratios.filter((_, i) => stored[i] === null).map(maskFile);
      throw new EarlybirdError(
        'ERR_FILE',
        `${recipe.save} has no ${missing.join(', ')}: give a ratio the search followed, or --from checkpoints.`,
      );
    }
  }
  return { source: 'checkpoints' as const, series: await fromCheckpoints(recipe, ratios, range, signal) };
}

/** Reads the masks that a search stored at a ratio; null where there are none. */
export async function storedMasks(folder: string, ratio: number): Promise<MaskSeries | null> {
  const stored = isWholePercent(ratio) ? await RunDirectory.at(folder).readMasks(ratio) : null;
  if (!stored) return null;
  const { index, rows } = stored;
  return { ratio, channels: index.channels, epochs: rows.map((_, i) => index.first + i), masks: rows };
}

function cut(series: MaskSeries, { first, last }: MaskRange, folder: string): MaskSeries {
  const wanted = (epoch: number) => epoch >= (first ?? 0) && epoch <= (last ?? Number.POSITIVE_INFINITY);
  const rows = series.epochs.flatMap((epoch, i) => (wanted(epoch) ? [i] : []));
  const has = (epoch: number | undefined) => epoch === undefined || series.epochs.includes(epoch);
  if (rows.length > 0 && has(first) && has(last)) {
    return { ...series, epochs: rows.map((i) => series.epochs[i]!), masks: rows.map((i) => series.masks[i]!) };
  }
  const [lowest, highest] = [series.epochs[0], series.epochs.at(-1)];
  throw new EarlybirdError(
    'ERR_FILE',
    `${folder} holds masks after ${lowest} to ${highest} epochs, not all of those asked for: change --start_epoch or --end_epoch.`,
  );
}

/**
 * Warns of a search that drew its masks by another criterion: checkpoints have gammas, but no images for the gradients
 * of other criteria.
 */
async function otherRanking(folder: string): Promise<string | undefined> {
  const params = await RunDirectory.at(folder).readJson<{ recipe?: Partial<SearchRecipe> }>('params.json');
  const { criterion = 'gamma', budget = 'channels' } = params?.recipe ?? {};
  const other = [
    ...(criterion === 'gamma' ? [] : [`--criterion ${criterion}`]),
    ...(budget === 'channels' ? [] : [`--budget ${budget}`]),
  ];
  if (other.length === 0) return undefined;
  return `note: these are masks by |gamma| and a share of the channels, while the search in ${folder} drew its own by ${other.join(' and ')}: its masks/ has those of the ratios it followed`;
}
