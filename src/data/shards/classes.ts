/** The classes of a data set in files: the names in the files, or numbers. */
import { datasetError } from '../errors';
import { synsetList } from '../folders/class-folders';
import { kitClasses } from '../formats/devkit';
import type { OpenShard, ShardIndex } from '../formats/format';
import type { ImageListing } from '../listing';
import { type Split, shardsOf } from './layout';
import { indexesOf } from './stored-index';

/**
 * Largest allowed ratio of all classes to classes with images, where classes are only numbered: a hundred of ImageNet's
 * thousand would be just allowed.
 */
const MOST_EMPTY = 10;
const WNID = /^n\d{8}$/;

interface Asked {
  splits: readonly Split[];
  signal?: AbortSignal | undefined;
}

/**
 * Indexes of the files of the splits that were not asked for. Their classes count too, so that a test set alone has the
 * labels of its training set.
 */
async function otherIndexes(root: string, { splits, signal }: Asked): Promise<ShardIndex[]> {
  const others = (['train', 'val'] as const).filter((split) => !splits.includes(split));
  const files = (await Promise.all(others.map((split) => shardsOf(root, split)))).flat();
  return indexesOf(files, signal);
}

/**
 * The classes that files name, in the order of their labels; null where they are only numbered. Rejects with
 * ERR_DATASET where files differ.
 */
export async function namesOf(root: string, shards: readonly OpenShard[], asked: Asked): Promise<string[] | null> {
  // A file without images names no classes where labels are texts.
  const filled = shards.filter(({ index }) => index.keys.length > 0);
  const named = filled.filter(({ index }) => index.classes);
  if (named.length === 0) return null;
  const first = named[0]!;
  const names = first.index.classes!;
  const partial = named.some(({ index }) => index.partial);
  const differs = ({ index }: OpenShard) => (partial ? !index.partial : index.classes?.join('\n') !== names.join('\n'));
  const other = filled.find(differs);
  if (other)
    throw datasetError(
      `${other.path} names other classes than ${first.path} (${(other.index.classes ?? ['none']).slice(0, 3).join(', ')}; ${names.slice(0, 3).join(', ')}), so they are of two data sets: keep one of them.`,
    );
  return partial ? allNames(root, named, asked) : names;
}

/**
 * Names of the classes where each file names only a part: a list of ImageNet's classes beside the files, so that a part
 * keeps the labels of the whole, else all names, sorted.
 */
async function allNames(root: string, shards: readonly OpenShard[], asked: Asked): Promise<string[]> {
  const found = new Set(shards.flatMap(({ index }) => index.classes!));
  const wnids = [...found].every((name) => WNID.test(name));
  const list = wnids ? ((await kitClasses(root, asked.signal)) ?? (await synsetList(root))?.classes) : null;
  if (list) {
    const strangers = [...found].filter((name) => !list.includes(name));
    if (strangers.length === 0) return list;
    throw datasetError(
      `${root} has images of classes that the list beside them lacks (${strangers.slice(0, 3).join(', ')}); both must name the same classes.`,
    );
  }
  for (const { classes } of await otherIndexes(root, asked)) for (const name of classes ?? []) found.add(name);
  return [...found].sort();
}

/** The same shards, with the labels of a list of classes. */
export function relabelled(shards: readonly OpenShard[], names: readonly string[]): OpenShard[] {
  const place = new Map(names.map((name, label) => [name, label]));
  return shards.map((shard) => {
    const { classes, partial, labels } = shard.index;
    if (!partial) return shard;
    return { ...shard, index: { ...shard.index, labels: labels.map((label) => place.get(classes![label]!)!) } };
  });
}

type Sets = { train: ImageListing | null; test: ImageListing | null };

/**
 * Names "0", "1", "2", ... up to the largest class. Throws ERR_DATASET where hardly any class has an image, as the
 * numbers are then those of a larger list.
 */
export function numberNames(root: string, used: readonly number[]): string[] {
  const count = used.at(-1)! + 1;
  if (count > MOST_EMPTY * used.length)
    throw datasetError(
      `The shards in ${root} have images of only ${used.length} of the classes 0 to ${count - 1}, and the network would get ${count} classes: number them from 0 to ${used.length - 1}; "earlybird data pack ${root} OUT" does that.`,
    );
  return Array.from({ length: count }, (_, label) => String(label));
}

/** Gives the used classes the labels 0, 1, 2, ... in their order; their numbers become their names. */
export function renumbered({ train, test }: Sets, used: readonly number[]): Sets & { classNames: string[] } {
  const place = new Map(used.map((label, i) => [label, i]));
  const anew = (set: ImageListing) => ({ ...set, labels: set.labels.map((label) => place.get(label)!) });
  return { classNames: used.map(String), train: train && anew(train), test: test && anew(test) };
}

/** The numbers of the classes that have images, ascending, also in splits that were not asked for. */
export async function usedNumbers(root: string, { train, test }: Sets, asked: Asked): Promise<number[]> {
  const used = new Set(usedClasses([train, test]));
  for (const { labels } of await otherIndexes(root, asked)) for (const label of labels) used.add(label);
  return [...used].sort((a, b) => a - b);
}

/** The classes that have images, ascending. */
export function usedClasses(sets: readonly (ImageListing | null)[]): number[] {
  const used = new Set<number>();
  for (const set of sets) if (set) for (const label of set.labels) used.add(label);
  return [...used].sort((a, b) => a - b);
}
