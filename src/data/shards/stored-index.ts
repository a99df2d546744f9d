/**
 * The index of a file of images. It is kept beside the file (`<file>.idx.json`) and is valid while the file keeps its
 * size and time of change.
 */
import { readFile, stat } from 'node:fs/promises';
import { writeFileAtomic } from '../../atomic';
import type { Format, ShardFile, ShardIndex } from '../formats/format';
import { TAR } from '../formats/tar';
import { inParallel } from '../listing';

/** Files indexed at once: tar archives need only their headers, other files up to a row group in memory. */
const [AT_ONCE_TAR, AT_ONCE] = [8, 2];

interface StoredIndex {
  version: 2;
  size: number;
  mtimeMs: number;
  index: ShardIndex;
}

/** The index of a shard: the stored one where it is valid, else a new one, which is stored if possible. */
export async function indexOf(file: string, signal?: AbortSignal, format: Format = TAR): Promise<ShardIndex> {
  const { size, mtimeMs } = await stat(file);
  const place = `${file}.idx.json`;
  const stored = await readFile(place, 'utf8')
    .then((text) => JSON.parse(text) as StoredIndex)
    .catch(() => null);
  if (stored?.version === 2 && stored.size === size && stored.mtimeMs === mtimeMs && isIndex(stored.index))
    return stored.index;
  const index = await format.index(file, size, signal);
  const value: StoredIndex = { version: 2, size, mtimeMs, index };
  // In a folder that cannot be written, shards are walked each time.
  await writeFileAtomic(place, JSON.stringify(value)).catch(() => signal?.throwIfAborted());
  return index;
}

/** The indexes of files of one kind, in their order. `met` is called after each. */
export async function indexesOf(
  files: readonly ShardFile[],
  signal?: AbortSignal,
  met?: () => void,
): Promise<ShardIndex[]> {
  return inParallel(files, files[0]?.format === TAR ? AT_ONCE_TAR : AT_ONCE, async ({ path, format }) => {
    signal?.throwIfAborted();
    const index = await indexOf(path, signal, format);
    met?.();
    return index;
  });
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
