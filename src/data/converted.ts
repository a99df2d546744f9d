/**
 * Images of kinds other than JPEG, for a loader that decodes only JPEG: each is decoded once, into one file of the
 * cache, as a PPM. A JPEG that is compressed within its file is copied there unchanged. The file is made anew when an
 * image is added, removed or changed.
 */
import { createHash } from 'node:crypto';
import { readFile, stat, utimes } from 'node:fs/promises';
import * as path from 'node:path';
import { writeFileAtomic } from '../atomic';
import { availableCores } from '../cores';
import { onDisk } from '../errors';
import { DECODED, removeOld } from './cache';
import { checkImage, isJpeg, openImage, refuseMemory } from './decode';
import { datasetError, nullIfAbsent } from './errors';
import { bytesOf, type ImageListing, inParallel, NOT_PLAIN } from './listing';
import { withQuietSharp } from './quiet-sharp';

export interface ConvertOptions {
  cacheDir: string;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal | undefined;
}

/** Place of each image in the file; null for one that does not decode. */
interface Index {
  key: string;
  bytes: number;
  places: ([offset: number, length: number] | null)[];
}

/** Limit of the cached images, above which packing is the better way. */
const MOST_BYTES = 16e9;

/** Key of the images, which changes with any of their files, and the files that are not there. */
interface State {
  key: string;
  absent: ReadonlySet<string>;
}

/**
 * The same images, with every image that is not a JPEG read from the cache. An image that does not decode or has no
 * file stays where it is, and the loader counts it as bad. Rejects with ERR_DATASET where they need more than 16 GB,
 * ERR_FILE, ERR_OUT_OF_MEMORY, or `signal.reason`.
 */
export async function convertOthers(listing: ImageListing, options: ConvertOptions): Promise<ImageListing> {
  const { others } = listing;
  if (!others?.length) return listing;
  const state = await stateOf(listing, others);
  const folder = path.join(options.cacheDir, 'images');
  // Runs on other images may use their own file at the same time, so the key is a part of the name.
  const file = path.join(folder, `${DECODED}${state.key.slice(0, 16)}.ppm`);
  let index = await readIndex(file, state.key);
  if (!index) {
    await removeOld(folder);
    index = await convert(listing, others, state, file, options);
  }
  const { places } = index;
  const out = {
    ...listing,
    files: [...listing.files, file],
    file: Int32Array.from(listing.file),
    offsets: Float64Array.from(listing.offsets),
    lengths: Float64Array.from(listing.lengths),
  };
  for (const [i, place] of places.entries()) {
    // An image that is not plain has no bytes of its own in its file; the loader counts an empty one as bad.
    const empty = listing.lengths[others[i]!] === NOT_PLAIN ? ([0, 0] as const) : null;
    if (!place && !empty) continue;
    out.file[others[i]!] = listing.files.length;
    [out.offsets[others[i]!], out.lengths[others[i]!]] = place ?? empty!;
  }
  return out;
}

async function stateOf(listing: ImageListing, others: Int32Array): Promise<State> {
  const hash = createHash('sha256');
  const states = new Map<string, string>();
  const absent = new Set<string>();
  for (const index of others) {
    const file = listing.files[listing.file[index]!]!;
    if (!states.has(file)) {
      const info = await onDisk(file, 'read', () => stat(file).catch(nullIfAbsent));
      states.set(file, info?.isFile() ? `${info.size} ${info.mtimeMs}` : 'absent');
      if (!info?.isFile()) absent.add(file);
    }
    hash.update(`${file}\0${states.get(file)}\0${listing.offsets[index]} ${listing.lengths[index]}\n`);
  }
  return { key: hash.digest('hex'), absent };
}

async function readIndex(file: string, key: string): Promise<Index | null> {
  try {
    const index = JSON.parse(await readFile(`${file}.json`, 'utf8')) as Index;
    if (index.key !== key || (await stat(file)).size !== index.bytes) return null;
    // The time of change is that of the last use; a cache that can only be read keeps its own.
    await utimes(`${file}.json`, new Date(), new Date()).catch(() => undefined);
    return index;
  } catch {
    return null; // the caller makes it anew
  }
}

async function convert(
  listing: ImageListing,
  others: Int32Array,
  { key, absent }: State,
  file: string,
  { onProgress, signal }: ConvertOptions,
): Promise<Index> {
  const index: Index = { key, bytes: 0, places: [] };
  await withQuietSharp(async (sharp) => {
    async function* pictures() {
      const step = 4 * availableCores().usable;
      for (let at = 0; at < others.length; at += step) {
        signal?.throwIfAborted();
        const made = await inParallel(others.subarray(at, at + step), step, async (image) =>
          absent.has(listing.files[listing.file[image]!]!) ? null : ppmOf(sharp, listing, image),
        );
        for (const bytes of made) {
          index.places.push(bytes && [index.bytes, bytes.length]);
          index.bytes += bytes?.length ?? 0;
          if (bytes) yield bytes;
        }
        if (index.bytes > MOST_BYTES)
          throw datasetError(
            `The ${others.length} images that are not JPEG, or compressed in their files, need more than ${MOST_BYTES / 1e9} GB in the cache: make shards of JPEG of the data set with "earlybird data pack".`,
          );
        onProgress?.(Math.min(others.length, at + step), others.length, 'putting images into the cache');
      }
    }
    await writeFileAtomic(file, pictures(), { ...(signal && { signal }), makeFolder: true });
  });
  await writeFileAtomic(`${file}.json`, JSON.stringify(index));
  return index;
}

/** The image as a PPM; null where it does not decode. */
async function ppmOf(sharp: typeof import('sharp'), listing: ImageListing, index: number): Promise<Buffer | null> {
  const bytes = await bytesOf(listing, index);
  // The loader decodes a JPEG here to the same pixels as elsewhere.
  if (listing.lengths[index] === NOT_PLAIN && isJpeg(bytes)) return bytes;
  try {
    await checkImage(sharp, bytes);
    const image = (await openImage(sharp, bytes)).toColourspace('srgb').removeAlpha();
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const pixels = info.channels === 3 ? data : tripled(data, info.channels);
    return Buffer.concat([Buffer.from(`P6\n${info.width} ${info.height}\n255\n`), pixels]);
  } catch (error) {
    // What is null here is bad for every later run.
    refuseMemory(error);
    return null;
  }
}

/** Repeats each grey value as RGB. */
function tripled(grey: Buffer, channels: number): Buffer {
  const out = Buffer.allocUnsafe((grey.length / channels) * 3);
  for (let i = 0; i < out.length; i++) out[i] = grey[Math.floor(i / 3) * channels]!;
  return out;
}
