/** Finds the files of many images in a folder, and the split of each. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import * as path from 'node:path';
import { datasetError } from '../errors';
import { hasClassFolders } from '../folders/class-folders';
import { BETON } from '../formats/beton';
import type { ShardFile } from '../formats/format';
import { CLASS, CLASS_ARCHIVE, TRAIN, VAL } from '../formats/ilsvrc';
import { mdsShards } from '../formats/mds';
import { PARQUET } from '../formats/parquet';
import { TAR } from '../formats/tar';
import { isLitter } from '../kinds';

export type Split = 'train' | 'val';

/** A file below the root. */
interface Found {
  path: string;
  name: string;
  /** Path of the folders between, with forward slashes; empty in the root itself. */
  folder: string;
}

/** Words that name a split. Where there is no validation set, the test set takes its place. */
const WORDS: Record<Split, RegExp[]> = {
  train: [/train|training/],
  val: [/val|valid|validation|dev/, /test|testing|eval/],
};
/** Number of folders in a folder above which they count as classes. */
const MOST_FOLDERS = 64;

/** A kind of files: how it is recognised, and how it is opened. */
interface Kind {
  /** True for the files of a split. */
  of(found: Found, words: RegExp, classFolders: boolean): boolean;
  open(found: Found): ShardFile[] | Promise<ShardFile[]>;
}

const one = (format: ShardFile['format']) => (found: Found) => [{ path: found.path, format }];
const word = (words: RegExp, text: string) => new RegExp(`(^|[^a-z])(${words.source})([^a-z]|$)`, 'i').test(text);
const whole = (words: RegExp, text: string) => new RegExp(`^(${words.source})$`, 'i').test(text);
const lastOf = (folder: string) => path.posix.basename(folder);

/** Kinds in order of precedence: once files of one kind are found, others beside them are not read. */
const KINDS: Kind[] = [
  {
    of: ({ name, folder }, words) =>
      folder === '' && new RegExp(`^(.*[-_])?(${words.source})[-_]?\\d+\\.tar$`, 'i').test(name),
    open: one(TAR),
  },
  {
    of: ({ name, folder }, words, classFolders) =>
      !classFolders && folder === '' && new RegExp(`^ILSVRC\\d+_img_(${words.source})\\.tar$`, 'i').test(name),
    open: ({ path, name }) => [{ path, format: /_val/i.test(name) ? VAL : TRAIN }],
  },
  {
    of: ({ name, folder }, words, classFolders) => !classFolders && whole(words, folder) && /\.tar$/i.test(name),
    open: ({ path, name }) => [{ path, format: CLASS_ARCHIVE.test(name) ? CLASS : TAR }],
  },
  {
    of: (found, words, classFolders) => !classFolders && /\.parquet$/i.test(found.name) && isOf(found, words),
    open: one(PARQUET),
  },
  {
    of: ({ name, folder }, words) => name === 'index.json' && whole(words, lastOf(folder)),
    open: ({ path }) => mdsShards(path),
  },
  {
    of: (found, words, classFolders) => !classFolders && /\.(beton|ffcv)$/i.test(found.name) && isOf(found, words),
    open: one(BETON),
  },
];

/** True where the file's own name, or else that of its folder, names the split. */
const isOf = ({ name, folder }: Found, words: RegExp) =>
  word(words, name) || (noWord(name) && whole(words, lastOf(folder)));
const noWord = (name: string) =>
  !Object.values(WORDS)
    .flat()
    .some((words) => word(words, name));

/** The files of a split, sorted; empty where there are none. Class folders take precedence over all but tar shards. */
export async function shardsOf(root: string, split: Split): Promise<ShardFile[]> {
  const found = await filesIn(root);
  if (found.length === 0) return [];
  const classFolders = await hasClassFolders(root);
  for (const kind of KINDS) {
    for (const words of WORDS[split]) {
      const files = found.filter((file) => kind.of(file, words, classFolders));
      if (files.length === 0) continue;
      refuseSeveral(root, files, words);
      return (await Promise.all(files.map((file) => kind.open(file)))).flat();
    }
  }
  return [];
}

/** Throws ERR_DATASET where the files belong to several data sets. */
function refuseSeveral(root: string, files: readonly Found[], words: RegExp): void {
  const sets = new Set(files.map(({ folder }) => (whole(words, lastOf(folder)) ? path.posix.dirname(folder) : folder)));
  if (sets.size < 2) return;
  const names = [...sets].map((name) => name || '.').sort();
  throw datasetError(`${root} holds several data sets (${names.join(', ')}): give --data the folder of one of them.`);
}

/**
 * The files of many images in a folder, in the folders in it, and in folders below these that are named like a split;
 * sorted by path.
 */
async function filesIn(root: string): Promise<Found[]> {
  const found: Found[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(path.join(root, folder), { withFileTypes: true }).catch(() => [] as Dirent[]);
    const folders: string[] = [];
    for (const entry of entries) {
      if (isLitter(entry.name)) continue;
      if (/\.(tar|parquet|beton|ffcv|arrow|tfrecord(-\d+-of-\d+)?)$|^index\.json$/i.test(entry.name))
        found.push({ path: path.join(root, folder, entry.name), name: entry.name, folder });
      else if (!entry.isFile()) folders.push(entry.name);
    }
    const split = (name: string) =>
      Object.values(WORDS)
        .flat()
        .some((words) => whole(words, name));
    const inside = depth === 0 && folders.length <= MOST_FOLDERS ? folders : depth < 2 ? folders.filter(split) : [];
    for (const name of inside) await walk(path.posix.join(folder, name), depth + 1);
  };
  await walk('', 0);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Throws ERR_DATASET where a folder holds data of a known kind that is not supported. */
export async function explainOthers(root: string): Promise<void> {
  const found = await filesIn(root);
  const arrow = found.find(({ name }) => /\.arrow$/i.test(name));
  if (arrow)
    throw datasetError(
      `${root} was written by save_to_disk of Hugging Face datasets (${arrow.name}), which is not read: make parquet of it with Python, for each split s: datasets.load_from_disk("${root}")[s].to_parquet(f"DIR/{s}.parquet"), and give DIR.`,
    );
  const records = found.find(({ name }) => /\.tfrecord/i.test(name));
  if (records)
    throw datasetError(`${records.path} is a TFRecord file, which is not read: make class folders or shards of it.`);
}
