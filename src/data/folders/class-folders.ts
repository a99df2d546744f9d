/**
 * ImageNet as unpacked: `train/<wnid>/*.JPEG` and `val/<wnid>/*.JPEG`. Only folders are read, not images: 1.28 million
 * names take seconds.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { datasetError, nullIfAbsent } from '../errors';
import { truthIn } from '../formats/devkit';
import { isImageName, isJpegName, type Unread } from '../kinds';
import { type ImageListing, inParallel, NameTable, range, WHOLE_FILE } from '../listing';
import { classFiles, foldersIn } from './class-files';

/** Lists of the classes that come with ImageNet: one wnid at the beginning of each line. */
const SYNSET_LISTS = ['LOC_synset_mapping.txt', 'synset_words.txt', 'synsets.txt'];
/** Files that name the class of each image in a val/ without class folders. */
const GROUND_TRUTHS = ['LOC_val_solution.csv', 'ILSVRC2012_validation_ground_truth.txt', 'val.txt', 'val_map.txt'];
const VALIDATION = /^ILSVRC2012_val_(\d{8})\.JPEG$/i;
/** Number of folders read at once, as a network file system answers slowly. */
const AT_ONCE = 16;

/** The name of the folder of a split: the test set takes the place of a validation set that is not there. */
export async function folderOf(root: string, split: 'train' | 'val'): Promise<'train' | 'val' | 'test'> {
  if (split === 'train' || (await foldersIn(path.join(root, 'val')))) return split;
  return (await foldersIn(path.join(root, 'test')))?.length ? 'test' : 'val';
}

/**
 * The classes of the data under `root`, sorted. A synset list in it comes first, so that a part of ImageNet keeps the
 * labels of the whole, then the folders of train/, then those of val/ or test/. Rejects with ERR_DATASET where there is
 * none of these, or as `explain` does.
 */
export async function classesOf(root: string, explain?: (root: string) => Promise<void>): Promise<string[]> {
  const list = await synsetList(root);
  if (list) return list.classes;
  for (const split of ['train', await folderOf(root, 'val')]) {
    const folders = await foldersIn(path.join(root, split));
    if (folders && folders.length > 0) return folders;
  }
  await explainFlat(root, 'val');
  await explainPart(root);
  await explain?.(root);
  throw datasetError(
    `${root} holds neither train/<wnid>/ and val/<wnid>/ folders of images nor shards (train-*.tar, val-*.tar) nor other files of images that are read (docs/imagenet.md lists them); check the path.`,
  );
}

/** The images of one split, by class and name as torchvision's ImageFolder orders them. Rejects with ERR_DATASET. */
export async function listSplit(
  root: string,
  split: string,
  classNames: readonly string[],
  signal?: AbortSignal,
): Promise<{ listing: ImageListing; unread: Unread[] }> {
  const folder = path.join(root, split);
  const present = await foldersIn(folder);
  if (!present) throw datasetError(`There is no folder ${folder} with <wnid>/*.JPEG in it; check the path.`);
  if (present.length === 0) {
    const sorted = await flatSplit(root, split, classNames, signal);
    if (sorted) return sorted;
    await explainFlat(root, split);
  }
  const known = new Set(classNames);
  const strangers = present.filter((name) => !known.has(name));
  if (strangers.length > 0)
    throw datasetError(
      `${folder} has ${strangers.length} class folders (${strangers.slice(0, 3).join(', ')}) that ${await sourceOfClasses(root)} lacks; both must name the same classes.`,
    );
  const there = new Set(present);
  const found = await inParallel(classNames, AT_ONCE, async (name) =>
    there.has(name) ? classFiles(path.join(folder, name), signal) : { images: [], unread: [] },
  );
  const unread = found.flatMap((files, label) =>
    files.unread.map(({ file, reason }) => ({ file: `${split}/${classNames[label]}/${file}`, reason })),
  );
  for (const name of (await readdir(folder)).filter((file) => isImageName(file) && !present.includes(file)).sort())
    unread.push({ file: `${split}/${name}`, reason: 'an image in no class folder' });
  const empty = present.find((name) => found[classNames.indexOf(name)]!.images.length === 0);
  if (empty !== undefined && split === 'train') throw emptyClass(path.join(folder, empty), unread, `train/${empty}/`);
  const names = found.map(({ images }) => images);
  return { listing: await listing(folder, split, classNames, names), unread };
}

/**
 * ImageNet's validation set as unpacked without class folders, where the development kit or Kaggle's list names the
 * classes; otherwise null.
 */
async function flatSplit(
  root: string,
  split: string,
  classNames: readonly string[],
  signal?: AbortSignal,
): Promise<{ listing: ImageListing; unread: Unread[] } | null> {
  const folder = path.join(root, split);
  const images = (await readdir(folder)).filter((name) => VALIDATION.test(name)).sort();
  if (images.length === 0) return null;
  const truth = await truthIn(root, signal);
  const names = classNames.map((): string[] => []);
  const unread: Unread[] = [];
  const place = new Map(classNames.map((name, label) => [name, label]));
  for (const name of images) {
    const wnid = truth?.get(Number(VALIDATION.exec(name)![1]));
    const label = wnid === undefined ? undefined : place.get(wnid);
    if (label !== undefined) names[label]!.push(name);
    else
      unread.push({
        file: `${split}/${name}`,
        reason: wnid ? `of ${wnid}, which is not a class of train/` : 'no class known',
      });
  }
  if (unread.length === images.length) return null;
  return { listing: await listing(folder, split, classNames, names, true), unread };
}

function emptyClass(folder: string, unread: readonly Unread[], prefix: string): Error {
  const first = unread.find(({ file }) => file.startsWith(prefix));
  return datasetError(
    first
      ? `${folder} holds no image that can be read (${first.file}: ${first.reason}); make JPEG or PNG of its images, or remove it.`
      : `${folder} holds no image; add some or remove it.`,
  );
}

async function listing(
  folder: string,
  split: string,
  classNames: readonly string[],
  names: readonly (readonly string[])[],
  flat = false,
): Promise<ImageListing> {
  const count = names.reduce((sum, { length }) => sum + length, 0);
  if (count === 0) throw datasetError(`${folder} holds no image in class folders; check the path.`);
  const labels = new Int32Array(count);
  const files = new Array<string>(count);
  const others: number[] = [];
  const table = new NameTable();
  let at = 0;
  for (const [label, group] of names.entries()) {
    const place = flat ? folder : path.join(folder, classNames[label]!);
    for (const name of group) {
      if (!isJpegName(name)) others.push(at);
      labels[at] = label;
      files[at++] = `${place}${path.sep}${name}`;
    }
    table.add(flat ? `${split}/` : `${split}/${classNames[label]}/`, group);
    if (label % 8 === 7) await breathe();
  }
  return {
    files,
    file: range(count),
    offsets: new Float64Array(count),
    lengths: new Float64Array(count).fill(WHOLE_FILE),
    labels,
    others: Int32Array.from(others),
    count,
    nameOf: (index) => table.at(index),
  };
}

/** Throws ERR_DATASET where images lie in a split without class folders, and says how to sort them. */
async function explainFlat(root: string, split: string): Promise<void> {
  const folder = path.join(root, split);
  const entries = await readdir(folder).catch(() => [] as string[]);
  const images = entries.filter((name) => isImageName(name)).length;
  if (images === 0) return;
  const around = await readdir(root);
  const truth = GROUND_TRUTHS.find((name) => around.includes(name));
  const list = SYNSET_LISTS.find((name) => around.includes(name));
  const by = truth
    ? `by ${truth}${list ? ` and ${list}` : ''}, found beside it`
    : list
      ? `by the ground truth that ImageNet's development kit has for it (${list}, found beside it, names the classes but not which image is which)`
      : "by the ground truth of ImageNet's development kit or Kaggle's LOC_val_solution.csv";
  throw datasetError(
    `${folder} holds ${images} images without class folders, so their classes are unknown: move each into ${split}/<wnid>/ ${by}; "earlybird data pack" can then make shards of them.`,
  );
}

/** Throws ERR_DATASET where the data is in the parent of the folder, or in a file in it that is not a plain tar. */
async function explainPart(root: string): Promise<void> {
  const above = path.dirname(root);
  if (/^(train|val|test)$/.test(path.basename(root)) && (await hasClassFolders(above)))
    throw datasetError(`${root} is one part of a data set: give --data its parent, ${above}.`);
  if ((await stat(root).catch(() => null))?.isFile())
    throw datasetError(`${root} is a file: unpack it, and give the folder with train/ and val/.`);
  const packed = (await readdir(root).catch(() => [] as string[])).find((name) =>
    /\.(tar\.\w+|tgz|zip|7z|rar)$/i.test(name),
  );
  if (packed)
    throw datasetError(`${path.join(root, packed)} is a compressed archive, which is not read: unpack it first.`);
}

export async function synsetList(root: string): Promise<{ file: string; classes: string[] } | null> {
  for (const file of SYNSET_LISTS) {
    const text = await readFile(path.join(root, file), 'utf8').catch(nullIfAbsent);
    if (text === null) continue;
    const classes = text.split('\n').flatMap((line) => /^\S+/.exec(line)?.[0] ?? []);
    if (classes.length > 0) return { file, classes: [...new Set(classes)].sort() };
  }
  return null;
}

async function sourceOfClasses(root: string): Promise<string> {
  return (await synsetList(root))?.file ?? path.join(root, 'train');
}

/** True where train/ or val/ has class folders. */
export async function hasClassFolders(root: string): Promise<boolean> {
  for (const split of ['train', 'val']) {
    // Folders beside an index belong to shards.
    const place = path.join(root, split);
    if ((await foldersIn(place))?.length && !(await stat(path.join(place, 'index.json')).catch(() => null)))
      return true;
  }
  return false;
}
