/** A folder of images on disk: class folders or shards. */
import { classesOf, folderOf, hasClassFolders, listSplit } from './folders/class-folders';
import type { Unread } from './kinds';
import type { ImageListing } from './listing';
import { usedClasses } from './shards/classes';
import { explainOthers, shardsOf } from './shards/layout';
import { readShards } from './shards/shards';

export interface Source {
  classNames: string[];
  /** Training images; null where they were not asked for. */
  train: ImageListing | null;
  test: ImageListing | null;
  /** Pictures that are not read. */
  unread: Record<'train' | 'val', Unread[]>;
  /** Form of the data, with other data beside it: "in class folders (2 shards beside them are not read)". */
  where: string;
  shards: boolean;
}

export interface SourceOptions {
  splits: readonly ('train' | 'val')[];
  /** Form that is read where shards and class folders lie in one folder. */
  first: 'shards' | 'folders';
  /** True to renumber the classes of shards that have images, where there is no manifest. */
  renumber?: boolean;
  onProgress?: ((done: number, total: number, what: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Lists the images under a folder. Rejects with ERR_DATASET, ERR_FILE, or `signal.reason`. */
export async function openSource(root: string, options: SourceOptions): Promise<Source> {
  const { splits, first, signal } = options;
  const shards = (await Promise.all((['train', 'val'] as const).map((split) => shardsOf(root, split)))).flat();
  const asked = (await Promise.all(splits.map((split) => shardsOf(root, split)))).flat();
  const folders = await hasClassFolders(root);
  if (asked.length > 0 && (first === 'shards' || !folders)) {
    const { read, ...shards } = await readShards(root, options);
    const beside = folders ? ' (the class folders beside them are not read)' : '';
    return { ...shards, where: `in ${read}${beside}`, shards: true };
  }
  const classNames = await classesOf(root, explainOthers);
  const list = async (split: 'train' | 'val') =>
    splits.includes(split) ? listSplit(root, await folderOf(root, split), classNames, signal) : null;
  const [train, val] = [await list('train'), await list('val')];
  const beside = shards.length > 0 ? ` (${shards.length} shards beside them are not read)` : '';
  return {
    classNames,
    train: train?.listing ?? null,
    test: val?.listing ?? null,
    unread: { train: train?.unread ?? [], val: val?.unread ?? [] },
    where: `in class folders${beside}`,
    shards: false,
  };
}

/** Sentence on classes without images: "3 of 1000 classes have images"; null where all classes have some. */
export function emptyClasses({
  classNames,
  train,
  test,
}: Pick<Source, 'classNames' | 'train' | 'test'>): string | null {
  const used = usedClasses([train, test]).length;
  return used === classNames.length ? null : `${used} of ${classNames.length} classes have images`;
}
