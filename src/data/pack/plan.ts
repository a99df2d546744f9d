/** The plan of `data pack`: its options, checked, and the list of images in the order of their shards. */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import * as path from 'node:path';
import { datasetError, usageError } from '../errors';
import type { Unread } from '../kinds';
import { fingerprintOf, type ImageListing } from '../listing';
import { readManifest } from '../shards/manifest';
import { openSource } from '../source';
import type { EncodeOptions } from './encode';
import { mixed } from './order';
import type { JpegPacker } from './packed';

/** Options of {@link pack}. */
export interface PackOptions extends Partial<EncodeOptions> {
  /** Size of a shard: a number of images ("1000"), or megabytes ("256MB"). */
  shardSize?: string;
  splits?: readonly ('train' | 'val')[];
  /**
   * Kind of the stored images. "yuv": images without their Huffman code, twice as large and faster to read. Default
   * "jpeg".
   */
  cache?: 'jpeg' | 'yuv';
  /** Function that makes the images of a cache. */
  packer?: JpegPacker | undefined;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

export interface Plan {
  from: string;
  to: string;
  options: EncodeOptions & { shardSize: string; cache?: 'yuv' };
  packer: JpegPacker | null;
  limit: { images: number; bytes: number };
  classes: string[];
  splits: { name: string; listing: ImageListing; order: Int32Array; unread: Unread[] }[];
  where: string;
  key: string;
}

export async function planOf(from: string, to: string, options: PackOptions, signal?: AbortSignal): Promise<Plan> {
  const { shortSide = null, maxSide = null, quality = 90, shardSize = '1000', splits = ['train', 'val'] } = options;
  if (shortSide !== null && maxSide !== null)
    throw usageError('--short-side and --max-side are both given; give one of them.');
  for (const [flag, side] of [['--short-side', shortSide] as const, ['--max-side', maxSide] as const])
    if (side !== null && !(Number.isInteger(side) && side >= 16))
      throw usageError(`${flag} ${side} is not possible: give a whole number of pixels, 16 or more.`);
  if (!(Number.isInteger(quality) && quality >= 1 && quality <= 100))
    throw usageError(`--quality ${quality} is not possible: give a whole number from 1 to 100.`);
  const limit = limitOf(shardSize);
  if (options.cache === 'yuv' && !options.packer)
    throw usageError('A cache needs "packer", the packJpeg of an addon with a JPEG decoder.');
  await checkApart(from, to);
  if ((await readManifest(from))?.options.cache)
    throw datasetError(`${from} holds a cache, not images: pack the images or JPEG shards that it was made of.`);
  const { classNames: classes, ...source } = await openSource(from, {
    splits,
    first: 'folders',
    renumber: true,
    signal,
  });
  const listings = splits.map((name, i) => {
    const listing = source[name === 'val' ? 'test' : name]!;
    return { name, listing, order: mixed(listing, i), unread: source.unread[name] };
  });
  // The key of JPEG shards stays as it was before other kinds existed.
  const asked = { shortSide, maxSide, quality, shardSize, ...(options.cache === 'yuv' && { cache: options.cache }) };
  const fingerprint = await fingerprintOf(
    classes,
    listings.map(({ listing }) => listing),
    signal,
  );
  const packer = (asked.cache && options.packer) || null;
  const key = createHash('sha256').update(JSON.stringify({ asked, splits, fingerprint })).digest('hex');
  return { from, to, options: asked, packer, limit, classes, splits: listings, where: source.where, key };
}

/**
 * Refuses a target that is the source or lies in one of its splits, where the shards would be read instead of the
 * source, or packed again.
 */
async function checkApart(from: string, to: string): Promise<void> {
  const real = async (place: string): Promise<string> =>
    realpath(place).catch(async () => {
      const above = path.dirname(place);
      return above === place ? place : path.join(await real(above), path.basename(place));
    });
  const [source, target] = [await real(from), await real(to)];
  const inside = ['train', 'val', 'test'].some((split) => `${target}/`.startsWith(`${path.join(source, split)}/`));
  if (source === target || inside)
    throw usageError(`The shards cannot go into ${to}, among the images that they are made of; give another folder.`);
}

function limitOf(shardSize: string): Plan['limit'] {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(MB)?$/i.exec(shardSize.trim()) ?? [];
  const value = Number(number);
  if (!(value > 0) || (!unit && !Number.isInteger(value)))
    throw usageError(
      `--shard-size ${shardSize} is not possible: give a number of images such as 1000, or of megabytes such as 256MB.`,
    );
  const none = Number.POSITIVE_INFINITY;
  return unit ? { images: none, bytes: value * 1e6 } : { images: value, bytes: none };
}
