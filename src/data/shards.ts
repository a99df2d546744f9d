/**
 * Tar shards in the WebDataset convention: for each key an image `key.jpg` and its class, `key.cls` or `label` in `key.json`. `train-*.tar` and `val-*.tar`, in
 * the folder itself or in `train/` and `val/`. An index beside each shard (`<shard>.idx.json`) keeps the places of its images; it holds
 * while the shard has the same size and time of change.
 */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { writeFileAtomic } from '../atomic';
import { hasClassFolders } from './class-folders';
import { datasetError } from './errors';
import type { Unread } from './kinds';
import { type ImageListing, inParallel, NameTable } from './listing';
import { isUnfinished, MANIFEST, type Manifest, type ManifestShard, readManifest } from './manifest';
import { readSamples, type ShardIndex } from './shard-samples';
import { TarFile } from './tar-entries';

interface Shards {
  classNames: string[];
  train: ImageListing | null;
  test: ImageListing | null;
  unread: Record<'train' | 'val', Unread[]>;
  /** How many shards are read. */
  files: number;
}

interface ShardOptions {
  splits: readonly ('train' | 'val')[];
  /** Numbers anew the classes that have images, where there is no manifest. */
  renumber?: boolean;
  onProgress?: ((done: number, total: number, what: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

interface StoredIndex {
  version: 2;
  size: number;
  mtimeMs: number;
  index: ShardIndex;
}

const SPLITS = { train: /^(.*[-_])?train[-_]?\d+\.tar$/i, val: /^(.*[-_])?(val|validation)[-_]?\d+\.tar$/i };
const AT_ONCE = 8;
/** So many times more classes than classes with images are refused where only numbers name them: a hundred of ImageNet's thousand do. */
const MOST_EMPTY = 10;

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
  const split = async (name: 'train' | 'val') =>
    options.splits.includes(name) ? readSplit(root, name, options, manifest) : null;
  const [train, val] = [await split('train'), await split('val')];
  const read = {
    train: train?.listing ?? null,
    test: val?.listing ?? null,
    unread: { train: train?.unread ?? [], val: val?.unread ?? [] },
    files: (train?.files ?? 0) + (val?.files ?? 0),
  };
  if (!manifest) return { ...read, ...(options.renumber ? renumbered(read) : { classNames: numberNames(root, read) }) };
  const largest = Math.max(train?.largest ?? -1, val?.largest ?? -1);
  if (largest >= manifest.classes.length)
    throw datasetError(
      `${root} has an image of class ${largest}, but ${MANIFEST} names only ${manifest.classes.length} classes; pack it again.`,
    );
  return { ...read, classNames: manifest.classes };
}

type Sets = { train: ImageListing | null; test: ImageListing | null };

/** 0, 1, 2, ... up to the largest class. Throws ERR_DATASET where hardly any of them has an image: these are numbers of a larger list. */
function numberNames(root: string, { train, test }: Sets): string[] {
  const used = usedClasses([train, test]);
  const count = used.at(-1)! + 1;
  if (count > MOST_EMPTY * used.length)
    throw datasetError(
      `The shards in ${root} have images of only ${used.length} of the classes 0 to ${count - 1}, and the network would get ${count} classes: number them from 0 to ${used.length - 1}; "earlybird data pack ${root} OUT" does that.`,
    );
  return Array.from({ length: count }, (_, label) => String(label));
}

/** The classes that have images get the labels 0, 1, 2, ... in their order, and keep their numbers as names. */
function renumbered({ train, test }: Sets): Sets & { classNames: string[] } {
  const used = usedClasses([train, test]);
  const place = new Map(used.map((label, i) => [label, i]));
  const anew = (set: ImageListing) => ({ ...set, labels: set.labels.map((label) => place.get(label)!) });
  return { classNames: used.map(String), train: train && anew(train), test: test && anew(test) };
}

/** The classes that have images, ascending. */
export function usedClasses(sets: readonly (ImageListing | null)[]): number[] {
  const used = new Set<number>();
  for (const set of sets) if (set) for (const label of set.labels) used.add(label);
  return [...used].sort((a, b) => a - b);
}

/** The images of one split, the largest class among them, and what is not read. */
export async function readSplit(
  root: string,
  split: 'train' | 'val',
  { onProgress, signal }: Pick<ShardOptions, 'onProgress' | 'signal'>,
  manifest: Manifest | null = null,
): Promise<{ listing: ImageListing; largest: number; unread: Unread[]; files: number }> {
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
  if (listing.count === 0)
    throw datasetError(`${files[0]} and all ${split} shards beside it are empty; pack them again.`);
  return {
    listing,
    largest: listing.labels.reduce((most, label) => Math.max(most, label), -1),
    unread: shards.flatMap(({ name, index }) =>
      index.unread.map(({ file, reason }) => ({ file: `${name}:${file}`, reason })),
    ),
    files: files.length,
  };
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
  if (stored?.version === 2 && stored.size === size && stored.mtimeMs === mtimeMs && isIndex(stored.index))
    return stored.index;
  const index = await walk(file, size, signal);
  const value: StoredIndex = { version: 2, size, mtimeMs, index };
  // Without a writable folder, shards are walked each time.
  await writeFileAtomic(place, JSON.stringify(value)).catch(() => signal?.throwIfAborted());
  return index;
}

function isIndex(index: Partial<ShardIndex> | undefined): index is ShardIndex {
  const { keys, offsets, lengths, labels, others, unread } = index ?? {};
  const lists = [keys, offsets, lengths, labels];
  return (
    Array.isArray(unread) &&
    Array.isArray(others) &&
    lists.every((list) => Array.isArray(list) && list.length === keys?.length)
  );
}

async function walk(file: string, size: number, signal?: AbortSignal): Promise<ShardIndex> {
  const handle = await open(file, 'r');
  try {
    return await readSamples(new TarFile(handle, file, size), file, signal);
  } finally {
    await handle.close();
  }
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
  const others: number[] = [];
  let at = 0;
  for (const [shard, { index }] of shards.entries()) {
    listing.file.fill(shard, at, at + index.keys.length);
    listing.offsets.set(index.offsets, at);
    listing.lengths.set(index.lengths, at);
    listing.labels.set(index.labels, at);
    for (const place of index.others) others.push(at + place);
    at += index.keys.length;
  }
  const table = new NameTable();
  for (const { name, index } of shards) table.add(`${name}:`, index.keys);
  return { ...listing, others: Int32Array.from(others), nameOf: (index) => table.at(index) };
}
