/**
 * Compares the files on disk with the images that are read, by a walk of its own: every file in the class folders and
 * every member of the shards is read, belongs to an image, was left by a file manager, or is reported.
 */
import { open, readdir, realpath, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { folderOf } from '../folders/class-folders';
import type { ShardFile } from '../formats/format';
import { TAR } from '../formats/tar';
import { isImageName, isLitter, isOtherPicture } from '../kinds';
import type { ImageListing } from '../listing';
import { isMeta, memberName } from '../shards/samples';
import { TarFile } from '../shards/tar-entries';

export interface Present {
  /** Names of pictures that are not read. */
  pictures: string[];
  /** Names of other files. */
  others: string[];
  /** Sentences on shards whose stored index does not fit. */
  problems: string[];
}

/** Files in the folders of both splits that are not in the listings. */
export async function besideFolders(
  root: string,
  sets: readonly ImageListing[],
  signal?: AbortSignal,
): Promise<Present> {
  const taken = new Set(sets.flatMap(({ files }) => files));
  const present: Present = { pictures: [], others: [], problems: [] };
  const walk = async (folder: string, above: readonly string[]): Promise<void> => {
    signal?.throwIfAborted();
    const here = await realpath(folder).catch(() => null);
    if (here === null || above.includes(here)) return;
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const place = path.join(folder, entry.name);
      if (taken.has(place) || isLitter(entry.name)) continue;
      const info = entry.isSymbolicLink() ? await stat(place).catch(() => entry) : entry;
      if (info.isDirectory()) await walk(place, [...above, here]);
      else note(present, path.relative(root, place), entry.name);
    }
  };
  for (const split of ['train', 'val'] as const) await walk(path.join(root, await folderOf(root, split)), []);
  return present;
}

/** Members of shards that belong to no image. */
export async function besideMembers(
  root: string,
  sets: readonly ImageListing[],
  files: readonly ShardFile[],
  signal?: AbortSignal,
): Promise<Present> {
  const present: Present = { pictures: [], others: [], problems: [] };
  const tars = new Set(files.filter(({ format }) => format === TAR).map(({ path }) => path));
  for (const set of sets) {
    const taken = set.files.map(() => new Set<number>());
    const samples = set.files.map(() => new Set<string>());
    for (let i = 0; i < set.count; i++) {
      const file = set.file[i]!;
      taken[file]!.add(set.offsets[i]!);
      samples[file]!.add(memberName(`${set.keyOf!(i)}.jpg`)?.sample ?? '');
    }
    for (const [i, file] of set.files.entries()) {
      signal?.throwIfAborted();
      // In files of other kinds the index names all pictures beside the images, as `unread`.
      if (!tars.has(file)) continue;
      const handle = await open(file, 'r');
      let met = 0;
      try {
        for await (const { name, offset } of new TarFile(handle, file, (await handle.stat()).size).entries()) {
          if (taken[i]!.has(offset)) met++;
          else if (isLitter(name) || isMeta(name) || samples[i]!.has(memberName(name)?.sample ?? '\0')) continue;
          else note(present, `${path.relative(root, file)}:${name}`, name);
        }
      } finally {
        await handle.close();
      }
      if (met < taken[i]!.size) present.problems.push(`${file}.idx.json does not fit its shard; remove it.`);
    }
  }
  return present;
}

function note({ pictures, others }: Present, file: string, name: string): void {
  (isImageName(name) || isOtherPicture(name) ? pictures : others).push(file);
}
