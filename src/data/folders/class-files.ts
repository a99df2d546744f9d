/** Lists the files of a class folder and of the folders in it. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { onDisk } from '../../errors';
import { nullIfAbsent } from '../errors';
import { isImageName, isLitter, isOtherPicture, kindOf, type Unread } from '../kinds';
import { inParallel } from '../listing';

/** Number of folders and links read at once, as a network file system answers slowly. */
const AT_ONCE = 16;

interface ClassFiles {
  /** Paths below the class folder, with forward slashes, in the order of torchvision's ImageFolder. */
  images: string[];
  unread: Unread[];
}

/**
 * The images of a class: those of a folder before those of its sub-folders, each sorted. Links to folders are followed.
 * Files that are not pictures are skipped.
 */
export async function classFiles(folder: string, signal?: AbortSignal): Promise<ClassFiles> {
  const found = new Map<string, string[]>();
  const unread: Unread[] = [];
  const walk = async (below: string, above: readonly string[]): Promise<void> => {
    signal?.throwIfAborted();
    const place = path.join(folder, below);
    const entries = (await readdir(place, { withFileTypes: true })).filter(({ name }) => !isLitter(name));
    const folders = await foldersAmong(place, entries);
    const files = entries.filter(({ name }) => !folders.includes(name)).map(({ name }) => `${below}${name}`);
    found.set(below, files.filter(isImageName).sort());
    for (const file of files.filter(isOtherPicture).sort())
      unread.push({ file, reason: `an image of a kind that is not read (${kindOf(file)})` });
    if (folders.length === 0) return;
    // A link to a folder above would lead to an endless walk.
    const here = await realpath(place);
    if (above.includes(here)) return;
    for (const name of folders) await walk(`${below}${name}/`, [...above, here]);
  };
  await walk('', []);
  // Python sorts the folders by their whole paths, without a slash at the end.
  const order = [...found.keys()].sort((a, b) => (a.slice(0, -1) < b.slice(0, -1) ? -1 : 1));
  return { images: order.flatMap((below) => found.get(below)!), unread };
}

/** Names of the folders in a folder, sorted; null where it is not there. Rejects with ERR_FILE. */
export async function foldersIn(folder: string): Promise<string[] | null> {
  const entries = await onDisk(folder, 'read', () => readdir(folder, { withFileTypes: true }).catch(nullIfAbsent));
  if (!entries) return null;
  return foldersAmong(
    folder,
    entries.filter(({ name }) => !isLitter(name)),
  );
}

/** The links that lead to folders. Most links lead to images, as git-annex makes them, and are known by their names. */
async function foldersAmong(place: string, entries: readonly Dirent[]): Promise<string[]> {
  const links = entries.filter((entry) => entry.isSymbolicLink() && !isImageName(entry.name));
  const linked = await inParallel(links, AT_ONCE, ({ name }) =>
    stat(path.join(place, name)).then(
      (info) => (info.isDirectory() ? [name] : []),
      () => [],
    ),
  );
  return [...entries.filter((entry) => entry.isDirectory()).map(({ name }) => name), ...linked.flat()].sort();
}
