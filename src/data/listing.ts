/**
 * Sets of encoded images on disk. A million images must not cost a million objects, so positions are flat arrays and
 * names are joined strings.
 */
import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import { EarlybirdError, onDisk } from '../errors';
import type { Dataset } from './dataset';
import type { Unread } from './kinds';

/** Length that stands for the whole file. (A length of 0 is an empty entry of a shard, which is a bad image.) */
export const WHOLE_FILE = -1;

/**
 * Length that stands for an image that is compressed in its file, or for pixels without a header; `read` returns such
 * an image.
 */
export const NOT_PLAIN = -2;

/** Images that follow one another and are unpacked together. */
export interface ImageGroup {
  /** Index of the first image. */
  start: number;
  /** Bytes of all its images together when they are unpacked. */
  bytes: number;
}

/** Encoded images on disk. Arrays have one value for each image. */
export interface ImageListing {
  /** Image files, or shards that hold many images each. */
  files: string[];
  /** Index into `files`. */
  file: Int32Array;
  /** First byte of each image in its file. */
  offsets: Float64Array;
  /** Length in bytes; -1 for the whole file, -2 for an image that is not plain. */
  lengths: Float64Array;
  labels: Int32Array;
  /** Indexes, ascending, of images that are not JPEG by their names, or not plain; absent where there are none. */
  others?: Int32Array;
  /** Reads an image that is not plain, as a file of its own. */
  read?(index: number): Promise<Buffer>;
  /** Groups that cover the listing in order, where some images are not plain. */
  groups?: ImageGroup[];
  count: number;
  /** Name of an image for messages. The function keeps none of the arrays above alive. */
  nameOf(index: number): string;
  /** Name of an image within its shard; absent where each image is a file. */
  keyOf?(index: number): string;
}

/** A data set whose images stay on disk, as {@link openImagenet} returns it. */
export type ListedDataset = Omit<Dataset, 'train' | 'test'> & {
  /** Training images; null where only the test set was requested. */
  train: ImageListing | null;
  test: ImageListing;
  /** Form of the data, with other data beside it: "in class folders (2 shards beside them are not read)". */
  where: string;
  /** Pictures that are not read. */
  unread: Unread[];
  /** Sentence on classes without images: "3 of 1000 classes have images"; null where all classes have some. */
  emptyClasses: string | null;
};

/**
 * A table of names in groups (of one folder, of one shard), each group one string, which takes a tenth of the memory of
 * separate strings.
 */
export class NameTable {
  private readonly groups: { prefix: string; joined: string; start: number }[] = [];
  private count = 0;
  private open = -1;
  private names: string[] = [];

  add(prefix: string, names: readonly string[]): void {
    this.groups.push({ prefix, joined: names.join('\0'), start: this.count });
    this.count += names.length;
  }

  /** A name with the prefix of its group. */
  at(index: number): string {
    const name = this.within(index);
    return `${this.groups[this.open]!.prefix}${name}`;
  }

  /** A name without the prefix of its group. */
  within(index: number): string {
    // Most calls come in order, so the open group is usually the right one.
    const [now, next] = [this.groups[this.open], this.groups[this.open + 1]];
    if (!now || index < now.start || (next && index >= next.start)) {
      this.open = lastNotAbove(this.groups, index);
      this.names = this.groups[this.open]!.joined.split('\0');
    }
    return this.names[index - this.groups[this.open]!.start]!;
  }
}

/** The indexes 0, 1, 2, ... A loop fills them, since an iterator is slow for a million. */
export function range(count: number): Int32Array {
  const indexes = new Int32Array(count);
  for (let i = 0; i < count; i++) indexes[i] = i;
  return indexes;
}

/** The images at `indexes`. Files without any of them are left out. */
export function pickListing(listing: ImageListing, indexes: Int32Array): ImageListing {
  if (indexes.length === listing.count) return listing;
  const { files, file, offsets, lengths, labels, others, read, nameOf, keyOf } = listing;
  const other = new Set(others);
  const used = [...new Set(Array.from(indexes, (index) => file[index]!))].sort((a, b) => a - b);
  const place = new Map(used.map((old, now) => [old, now]));
  return {
    files: used.map((old) => files[old]!),
    file: Int32Array.from(indexes, (index) => place.get(file[index]!)!),
    offsets: Float64Array.from(indexes, (index) => offsets[index]!),
    lengths: Float64Array.from(indexes, (index) => lengths[index]!),
    labels: Int32Array.from(indexes, (index) => labels[index]!),
    others: range(indexes.length).filter((i) => other.has(indexes[i]!)),
    count: indexes.length,
    ...(read && { read: (index: number) => read(indexes[index]!) }),
    nameOf: (index) => nameOf(indexes[index]!),
    ...(keyOf && { keyOf: (index: number) => keyOf(indexes[index]!) }),
  };
}

/**
 * sha256 of classes, names, labels and the lengths that are known without reading the disk. Changed pixels in a file
 * that keeps its name go unnoticed, as reading all of ImageNet would take longer than finding a ticket.
 */
export async function fingerprintOf(
  classNames: readonly string[],
  sets: readonly (ImageListing | null)[],
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(classNames));
  for (const set of sets) {
    hash.update(`${set?.count ?? 0}\n`);
    for (let at = 0; set && at < set.count; at += SLICE) {
      const lines: string[] = [];
      for (let i = at; i < Math.min(set.count, at + SLICE); i++)
        lines.push(`${set.nameOf(i)}\0${set.labels[i]}\0${Math.max(0, set.lengths[i]!)}\n`);
      hash.update(lines.join(''));
      await breathe();
      signal?.throwIfAborted();
    }
  }
  return hash.digest('hex');
}

const SLICE = 4096;

/**
 * Runs `work` over the items, `limit` at a time; results are in the order of the items. Rejects with the error of the
 * first item in order that fails, even where a later one failed sooner.
 */
export async function inParallel<T, R>(
  items: ArrayLike<T>,
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = Infinity;
  let reason: unknown;
  const worker = async () => {
    while (next < items.length && failed === Infinity) {
      const index = next++;
      try {
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        if (index < failed) [failed, reason] = [index, error];
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failed < Infinity) throw reason;
  return results;
}

/** Index of the group that holds an image. */
export function lastNotAbove(groups: readonly { start: number }[], index: number): number {
  let [low, high] = [0, groups.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (groups[middle]!.start <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The encoded bytes of an image. Rejects with ERR_FILE where its file cannot be read to the end of the image, and with
 * ERR_DATASET where a file of images that are not plain is damaged.
 */
export async function bytesOf({ files, file, offsets, lengths, read }: ImageListing, index: number): Promise<Buffer> {
  const place = files[file[index]!]!;
  const [offset, length] = [offsets[index]!, lengths[index]!];
  return onDisk(place, 'read', async () => {
    if (length === NOT_PLAIN) return read!(index);
    if (length === WHOLE_FILE) return readFile(place);
    const handle = await open(place, 'r');
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === length) return buffer;
      throw new EarlybirdError(
        'ERR_FILE',
        `${place} cannot be read beyond byte ${offset + bytesRead}, within the image at byte ${offset}: it became shorter, or its disk failed; check both.`,
      );
    } finally {
      await handle.close();
    }
  });
}
