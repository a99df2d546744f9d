/**
 * Tar shards in the WebDataset convention: for each key an image `key.jpg` and its class `key.cls`. `train-*.tar` and `val-*.tar`, in
 * the folder itself or in `train/` and `val/`. An index beside each shard (`<shard>.idx.json`) keeps the places of its images; it holds
 * while the shard has the same size and time of change.
 */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { writeFileAtomic } from '../atomic';
import { hasClassFolders } from './class-folders';
import { datasetError } from './errors';
import { type ImageListing, inParallel, NameTable } from './listing';
import { isUnfinished, MANIFEST, type Manifest, type ManifestShard, readManifest } from './manifest';
import { type TarEntry, TarFile } from './tar-entries';

/** Key, place and class of each image in a shard. */
interface ShardIndex {
  keys: string[];
  offsets: number[];
  lengths: number[];
  labels: number[];
}

interface Shards {
  classNames: string[];
  train: ImageListing | null;
  test: ImageListing;
}

interface ShardOptions {
  /** False: only the test set. */
  train?: boolean;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

interface StoredIndex {
  version: 1;
  size: number;
  mtimeMs: number;
  index: ShardIndex;
}

const SPLITS = { train: /^(.*[-_])?train[-_]?\d+\.tar$/i, val: /^(.*[-_])?(val|validation)[-_]?\d+\.tar$/i };
const AT_ONCE = 8;

/** ImageNet's training set comes as an archive of these, one for each class, with images and no .cls. */
const CLASS_ARCHIVE = /^n\d{8}\.tar$/i;

/** The shards of a split, sorted. In train/ and val/, class folders take precedence over archives. */
export async function shardsOf(root: string, split: 'train' | 'val'): Promise<string[]> {
  const named = async (folder: string, pattern: RegExp) =>
    (await readdir(folder).catch(() => [] as string[]))
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => path.join(folder, name));
  const here = await named(root, SPLITS[split]);
  if (here.length > 0 || (await hasClassFolders(root))) return here;
  return named(path.join(root, split), /\.tar$/i);
}

/** Reads the shards under a folder. Classes are those of its manifest.json, else the numbers in the shards. Rejects with ERR_DATASET. */
export async function readShards(root: string, options: ShardOptions): Promise<Shards> {
  if (await isUnfinished(root))
    throw datasetError(
      `${root} holds only a part of its shards, as data pack was interrupted; run the same data pack command again.`,
    );
  const manifest = await readManifest(root);
  const train = options.train === false ? null : await readSplit(root, 'train', options, manifest);
  const val = await readSplit(root, 'val', options, manifest);
  const largest = Math.max(train?.largest ?? -1, val.largest);
  const classNames = manifest?.classes ?? Array.from({ length: largest + 1 }, (_, label) => String(label));
  if (largest >= classNames.length)
    throw datasetError(
      `${root} has an image of class ${largest}, but ${MANIFEST} names only ${classNames.length} classes; pack it again.`,
    );
  return { classNames, train: train?.listing ?? null, test: val.listing };
}

/** The images of one split, and the largest class among them. */
export async function readSplit(
  root: string,
  split: 'train' | 'val',
  { onProgress, signal }: Omit<ShardOptions, 'train'>,
  manifest: Manifest | null = null,
): Promise<{ listing: ImageListing; largest: number }> {
  const files = await shardsOf(root, split);
  if (files.length === 0) throw datasetError(`${root} holds no ${split}-*.tar; check --data, or pack both splits.`);
  let done = 0;
  const shards = await inParallel(files, AT_ONCE, async (file) => {
    signal?.throwIfAborted();
    const index = await indexOf(file, signal);
    onProgress?.(++done, files.length, 'reading shards');
    return { file, name: path.relative(root, file), index };
  });
  checkAgainst(manifest?.splits[split]?.shards ?? null, shards, root);
  const listing = listingOf(shards);
  return { listing, largest: listing.labels.reduce((most, label) => Math.max(most, label), -1) };
}

/** Throws ERR_DATASET where the shards differ from those of the manifest. */
function checkAgainst(
  named: readonly ManifestShard[] | null,
  found: readonly { name: string; index: ShardIndex }[],
  root: string,
): void {
  if (!named) return;
  const counts = new Map(found.map(({ name, index }) => [name, index.keys.length]));
  const lost = named.find(({ file, images }) => counts.get(file) !== images);
  if (lost)
    throw datasetError(
      `${path.join(root, lost.file)} holds ${counts.get(lost.file) ?? 'none'} of the ${lost.images} images that ${MANIFEST} says; run the same data pack command again.`,
    );
  const known = new Set(named.map(({ file }) => file));
  const stranger = found.find(({ name }) => !known.has(name));
  if (stranger)
    throw datasetError(
      `${path.join(root, stranger.name)} is not among the shards that ${MANIFEST} names; move it elsewhere.`,
    );
}

/** The index of a shard: the stored one where it holds, else a new one, which is stored if possible. */
export async function indexOf(file: string, signal?: AbortSignal): Promise<ShardIndex> {
  const { size, mtimeMs } = await stat(file);
  const place = `${file}.idx.json`;
  const stored = await readFile(place, 'utf8')
    .then((text) => JSON.parse(text) as StoredIndex)
    .catch(() => null);
  if (stored?.version === 1 && stored.size === size && stored.mtimeMs === mtimeMs && isIndex(stored.index))
    return stored.index;
  const index = await walk(file, size, signal);
  const value: StoredIndex = { version: 1, size, mtimeMs, index };
  // Without a writable folder, shards are walked each time.
  await writeFileAtomic(place, JSON.stringify(value)).catch(() => signal?.throwIfAborted());
  return index;
}

function isIndex(index: Partial<ShardIndex> | undefined): index is ShardIndex {
  const { keys, offsets, lengths, labels } = index ?? {};
  return [keys, offsets, lengths, labels].every((list) => Array.isArray(list) && list.length === keys?.length);
}

async function walk(file: string, size: number, signal?: AbortSignal): Promise<ShardIndex> {
  const handle = await open(file, 'r');
  try {
    const tar = new TarFile(handle, file, size);
    const index: ShardIndex = { keys: [], offsets: [], lengths: [], labels: [] };
    let key: string | null = null;
    let image: TarEntry | null = null;
    let label: number | null = null;
    const close = () => {
      if (image && label === null)
        throw datasetError(
          CLASS_ARCHIVE.test(path.basename(file))
            ? `${file} is ImageNet's archive of one class, not a shard: unpack each of them into a folder of its name (mkdir n01440764 && tar -xf n01440764.tar -C n01440764), and remove it.`
            : `${file} has the image ${image.name} without ${key}.cls; pack it again.`,
        );
      if (!image) return;
      index.keys.push(key!);
      index.offsets.push(image.offset);
      index.lengths.push(image.size);
      index.labels.push(label!);
    };
    for await (const entry of tar.entries()) {
      signal?.throwIfAborted();
      const [, stem, extension] = /^((?:.*\/)?[^/]+?)\.([^/]*)$/.exec(entry.name) ?? [];
      if (stem === undefined) continue;
      if (stem !== key) {
        close();
        [key, image, label] = [stem, null, null];
      }
      if (/^jpe?g$/i.test(extension!)) image = entry;
      else if (extension === 'cls') label = await labelIn(tar, entry, file);
    }
    close();
    if (index.keys.length > 0) return index;
    throw datasetError(`${file} holds no pair of key.jpg and key.cls; pack it again.`);
  } finally {
    await handle.close();
  }
}

async function labelIn(tar: TarFile, { name, offset, size }: TarEntry, file: string): Promise<number> {
  const text = size <= 16 ? (await tar.read(offset, size)).toString('latin1').trim() : '';
  if (/^\d+$/.test(text) && Number(text) <= 0x7fff_ffff) return Number(text);
  throw datasetError(`${name} in ${file} is not a class number; pack it again.`);
}

function listingOf(shards: readonly { file: string; name: string; index: ShardIndex }[]): ImageListing {
  const count = shards.reduce((sum, { index }) => sum + index.keys.length, 0);
  const listing = {
    files: shards.map(({ file }) => file),
    file: new Int32Array(count),
    offsets: new Float64Array(count),
    lengths: new Float64Array(count),
    labels: new Int32Array(count),
    count,
  };
  let at = 0;
  for (const [shard, { index }] of shards.entries()) {
    listing.file.fill(shard, at, at + index.keys.length);
    listing.offsets.set(index.offsets, at);
    listing.lengths.set(index.lengths, at);
    listing.labels.set(index.labels, at);
    at += index.keys.length;
  }
  const table = new NameTable();
  for (const { name, index } of shards) table.add(`${name}:`, index.keys);
  return { ...listing, nameOf: (index) => table.at(index) };
}
