/**
 * Class folders: `train/<class>/*` and `test/<class>/*` (or `val/`), of the kinds that torchvision's ImageFolder takes, decoded once to one size. The cache of the
 * result is rebuilt when a file is added, removed or changed.
 *
 * Pixels: grey, CMYK (mixed as Pillow does), palette and 16-bit images become 8-bit sRGB; transparency is dropped, not blended; the first frame of an animation
 * counts; EXIF rotation is ignored. An image of another size is scaled to cover the square and cut at the centre (sharp's `cover`,
 * Lanczos); one of the right size keeps its pixels.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import * as path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { availableCores } from '../../cores';
import { type CachedImages, readCache, writeCache } from '../cache';
import type { ImageSet } from '../dataset';
import { checkImage, openImage, reasonOf } from '../decode';
import { datasetError } from '../errors';
import type { Unread } from '../kinds';
import { bytesOf, fingerprintOf, type ImageListing, inParallel } from '../listing';
import { withQuietSharp } from '../quiet-sharp';
import { explainOthers, shardsOf } from '../shards/layout';
import { openSource } from '../source';
import { foldersIn } from './class-files';
import { hasClassFolders, listSplit } from './class-folders';

export interface FolderOptions {
  imageSize: number;
  cacheDir: string;
  /** True to decode every image again. */
  fresh?: boolean;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

interface Listing {
  classNames: string[];
  train: ImageListing;
  test: ImageListing;
  unread: Unread[];
  /** Key of the files, which changes when a path, a size or a time of change does. */
  key: string;
}

/** Version of the decoding, raised when the same files give other pixels. */
const PIXELS = 2;
const MAX_BYTES = 0xffff_ffff;

/** True for a folder that holds `train/` and `test/` or `val/`. */
export async function isImageFolder(root: string): Promise<boolean> {
  return (await foldersIn(path.join(root, 'train'))) !== null && (await testFolder(root)) !== null;
}

/** True where {@link readImageFolder} finds both splits. */
export async function isImageData(root: string): Promise<boolean> {
  return (await isImageFolder(root)) || (await hasFiles(root));
}

async function hasFiles(root: string): Promise<boolean> {
  const found = await Promise.all((['train', 'val'] as const).map((split) => shardsOf(root, split)));
  return found.every((files) => files.length > 0);
}

/**
 * Reads both splits. Classes are the sorted names of the folders in `train/`, or those in files of many images. Rejects
 * with ERR_DATASET where there are no images, the classes differ, or images do not decode.
 */
export async function readImageFolder(
  root: string,
  options: FolderOptions,
): Promise<CachedImages & { unread: Unread[] }> {
  const { imageSize, cacheDir, signal } = options;
  const listing = await list(root, options);
  const total = listing.train.count + listing.test.count;
  if (total * imageSize * imageSize * 3 > MAX_BYTES)
    throw datasetError(
      `The ${total} images under ${root} need more than 4 GB at ${imageSize}x${imageSize}; choose a smaller image size or fewer images.`,
    );
  const key = createHash('sha256').update(`${listing.key} ${imageSize} ${PIXELS}`).digest('hex');
  const place = createHash('sha256')
    .update(await realpath(root))
    .digest('hex')
    .slice(0, 12);
  const cache = path.join(cacheDir, 'images', `${path.basename(path.resolve(root))}-${place}-${imageSize}.bin`);

  const cached = options.fresh ? null : await readCache(cache, key, signal);
  if (cached) return { ...cached, unread: listing.unread };
  const images = await decodeAll(root, listing, options);
  await writeCache(cache, key, images, signal).catch((error) => {
    signal?.throwIfAborted();
    process.emitWarning(
      `The decoded images could not be kept in ${cache} (${error.message}); they will be decoded again next time.`,
    );
  });
  return { ...images, unread: listing.unread };
}

async function list(root: string, options: FolderOptions): Promise<Listing> {
  if (await hasClassFolders(root)) return listFolders(root, options.signal);
  if (await hasFiles(root)) return listFiles(root, options);
  await explainOthers(root);
  return listFolders(root, options.signal);
}

async function listFolders(root: string, signal?: AbortSignal): Promise<Listing> {
  const train = path.join(root, 'train');
  const test = await testFolder(root);
  const classNames = await foldersIn(train);
  if (!classNames || !test)
    throw datasetError(
      (await isImageFolder(path.dirname(root)))
        ? `${root} is one part of a data set: give --data its parent, ${path.dirname(root)}.`
        : `${root} is not a folder with train/<class>/ and test/<class>/ (or val/<class>/) of images; check --data.`,
    );
  const strangers = ((await foldersIn(test)) ?? []).filter((name) => !classNames.includes(name));
  if (strangers.length > 0)
    throw datasetError(
      `${test} has classes that ${train} lacks (${strangers.slice(0, 3).join(', ')}); both must use the same class folders.`,
    );
  const hash = createHash('sha256').update(JSON.stringify(classNames));
  const list = async (split: string): Promise<{ listing: ImageListing; unread: Unread[] }> => {
    const { listing, unread } = await listSplit(root, split, classNames, signal);
    for (let i = 0; i < listing.count; i++) {
      const file = listing.nameOf(i);
      // Synchronous calls are several times faster than the thread pool; the pause lets other work run.
      const { size, mtimeMs } = statSync(path.join(root, file));
      hash.update(`${file}\0${size}\0${mtimeMs}\n`);
      if (i % 64 === 63) await breathe(undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
    return { listing, unread };
  };
  const [trained, tested] = [await list('train'), await list(path.basename(test))];
  const unread = [...trained.unread, ...tested.unread];
  return { classNames, train: trained.listing, test: tested.listing, unread, key: hash.digest('hex') };
}

async function listFiles(root: string, { onProgress, signal }: FolderOptions): Promise<Listing> {
  const source = await openSource(root, { splits: ['train', 'val'], first: 'shards', onProgress, signal });
  const [train, test] = [source.train!, source.test!];
  const hash = createHash('sha256').update(await fingerprintOf(source.classNames, [train, test], signal));
  for (const file of [...train.files, ...test.files]) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${path.relative(root, file)}\0${size}\0${mtimeMs}\n`);
  }
  const unread = [...source.unread.train, ...source.unread.val];
  return { classNames: source.classNames, train, test, unread, key: hash.digest('hex') };
}

async function decodeAll(root: string, listing: Listing, options: FolderOptions): Promise<CachedImages> {
  const { imageSize, onProgress, signal } = options;
  const bytes = imageSize * imageSize * 3;
  const allocate = ({ count, labels }: ImageListing): ImageSet => ({
    images: new Uint8Array(count * bytes),
    labels: Int32Array.from(labels),
    count,
  });
  const train = allocate(listing.train);
  const test = allocate(listing.test);
  const jobsOf = (list: ImageListing, { images }: ImageSet) =>
    Array.from({ length: list.count }, (_, i) => ({ list, i, into: images.subarray(i * bytes, (i + 1) * bytes) }));
  const jobs = [...jobsOf(listing.train, train), ...jobsOf(listing.test, test)];

  const broken: string[] = [];
  let done = 0;
  await withQuietSharp((sharp) =>
    inParallel(jobs, 2 * availableCores().usable, async ({ list, i: index, into }) => {
      signal?.throwIfAborted();
      // A failing disk ends the reading; it does not make an image broken.
      const encoded = await bytesOf(list, index);
      try {
        await checkImage(sharp, encoded);
        const { data, info } = await (await openImage(sharp, encoded))
          .resize(imageSize, imageSize, { fit: 'cover' })
          .toColourspace('srgb')
          .removeAlpha()
          .raw({ depth: 'uchar' })
          .toBuffer({ resolveWithObject: true });
        if (info.channels === 3) into.set(data);
        else for (let i = 0; i < bytes; i++) into[i] = data[Math.floor(i / 3) * info.channels]!;
      } catch (error) {
        broken.push(`${list.nameOf(index)}: ${reasonOf(error)}`);
      }
      if (++done % 256 === 0 || done === jobs.length) onProgress?.(done, jobs.length, 'decoding images');
    }),
  );

  if (broken.length > 0)
    throw datasetError(
      `${broken.length} of ${jobs.length} images under ${root} cannot be decoded (${broken.sort().slice(0, 3).join('; ')}${broken.length > 3 ? '; ...' : ''}); repair or remove them.`,
    );
  return { classNames: listing.classNames, train, test };
}

async function testFolder(root: string): Promise<string | null> {
  for (const name of ['test', 'val']) if (await foldersIn(path.join(root, name))) return path.join(root, name);
  return null;
}
