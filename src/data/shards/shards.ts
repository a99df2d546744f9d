/** Data sets in files that hold many images each: tar shards, parquet and others. */
import * as path from 'node:path';
import { datasetError } from '../errors';
import type { OpenShard, ShardIndex } from '../formats/format';
import type { Unread } from '../kinds';
import { type ImageGroup, type ImageListing, NameTable, NOT_PLAIN } from '../listing';
import { namesOf, numberNames, relabelled, renumbered, usedNumbers } from './classes';
import { type Split, shardsOf } from './layout';
import { isUnfinished, MANIFEST, type Manifest, type ManifestShard, readManifest } from './manifest';
import { indexesOf } from './stored-index';
import { unpacker } from './unpack';

interface Shards {
  classNames: string[];
  train: ImageListing | null;
  test: ImageListing | null;
  unread: Record<Split, Unread[]>;
  /** Number and kind of the files read: "2 shards". */
  read: string;
}

interface ShardOptions {
  splits: readonly Split[];
  /** True to renumber the classes that have images, where nothing names them. */
  renumber?: boolean;
  onProgress?: ((done: number, total: number, what: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Reads the files of images under a folder. The classes come from its manifest.json, else from names in the files, else
 * from numbers. Rejects with ERR_DATASET.
 */
export async function readShards(root: string, options: ShardOptions): Promise<Shards> {
  if (await isUnfinished(root))
    throw datasetError(
      `${root} holds only a part of its shards, as data pack was interrupted; run the same data pack command again.`,
    );
  const manifest = await readManifest(root);
  const open = async (name: Split) =>
    options.splits.includes(name) ? openShards(root, name, options, manifest) : null;
  const [train, val] = [await open('train'), await open('val')];
  const all = [...(train ?? []), ...(val ?? [])];
  const named = manifest ? null : await namesOf(root, all, options);
  const set = (shards: OpenShard[] | null) => shards && listingOf(named ? relabelled(shards, named) : shards);
  const sets = { train: set(train), test: set(val) };
  const read = {
    ...sets,
    unread: { train: unreadOf(train ?? []), val: unreadOf(val ?? []) },
    read: `${all.length} ${all[0]!.format.title}${all.length === 1 ? '' : 's'}`,
  };
  const names = manifest?.classes ?? named;
  if (!names) {
    const used = await usedNumbers(root, sets, options);
    return { ...read, ...(options.renumber ? renumbered(sets, used) : { classNames: numberNames(root, used) }) };
  }
  const largest = Math.max(...[sets.train, sets.test].map((listing) => (listing ? largestOf(listing) : -1)));
  if (largest >= names.length)
    throw datasetError(
      `${root} has an image of class ${largest}, but ${manifest ? MANIFEST : 'its metadata'} names only ${names.length} classes; pack it again.`,
    );
  return { ...read, classNames: names };
}

const largestOf = ({ labels }: ImageListing) => labels.reduce((most, label) => Math.max(most, label), -1);

/** Lists the images of one split, with the labels of the files. */
export async function readSplit(root: string, split: Split, options: Pick<ShardOptions, 'signal'>) {
  return { listing: listingOf(await openShards(root, split, options, null)) };
}

/** Indexes the files of one split. */
async function openShards(
  root: string,
  split: Split,
  { onProgress, signal }: Pick<ShardOptions, 'onProgress' | 'signal'>,
  manifest: Manifest | null,
): Promise<OpenShard[]> {
  const files = await shardsOf(root, split);
  if (files.length === 0) throw datasetError(`${root} holds no ${split}-*.tar; check --data, or pack both splits.`);
  let done = 0;
  const found = await indexesOf(files, signal, () => onProgress?.(++done, files.length, 'reading shards'));
  const shards: OpenShard[] = [];
  for (const [i, file] of files.entries()) {
    const index = (await file.format.complete?.(root, found[i]!, file.path)) ?? found[i]!;
    shards.push({ ...file, name: path.relative(root, file.path), index });
  }
  checkAgainst(manifest?.splits[split]?.shards ?? null, shards, root);
  if (shards.every(({ index }) => index.keys.length === 0)) throw noImages(shards, split);
  return shards;
}

function noImages(shards: readonly OpenShard[], split: Split): Error {
  const [unread, first] = [unreadOf(shards), shards[0]!.path];
  const why = unread[0] && ` that can be read (${unread[0].file}: ${unread[0].reason})`;
  return datasetError(
    why
      ? `${first} and all ${split} files beside it hold no image${why}.`
      : `${first} and all ${split} shards beside it are empty; pack them again.`,
  );
}

function unreadOf(shards: readonly OpenShard[]): Unread[] {
  return shards.flatMap(({ name, index }) =>
    index.unread.map(({ file, reason }) => ({ file: `${name}:${file}`, reason })),
  );
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

function listingOf(shards: readonly OpenShard[]): ImageListing {
  const count = shards.reduce((sum, { index }) => sum + index.keys.length, 0);
  const listing = {
    files: shards.map(({ path }) => path),
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
  return {
    ...listing,
    others: Int32Array.from(others),
    nameOf: (index) => table.at(index),
    keyOf: (index) => table.within(index),
    ...(listing.lengths.includes(NOT_PLAIN) && unpacked(shards, listing.offsets)),
  };
}

/** The reader and the groups of images that are not plain. */
function unpacked(shards: readonly OpenShard[], places: Float64Array): Pick<ImageListing, 'read' | 'groups'> {
  const groups: (ImageGroup & { unpack: () => Promise<Uint8Array[]> })[] = [];
  let first = 0;
  for (const { path, format, index } of shards) {
    for (const [group, { start, bytes }] of (index.groups ?? [{ start: 0, bytes: 0 }]).entries())
      groups.push({ start: first + start, bytes, unpack: () => format.unpack!(path, group) });
    first += index.keys.length;
  }
  const read = unpacker(groups, (group) => groups[group]!.unpack());
  return { groups, read: (index) => read(index, places[index]!) };
}
