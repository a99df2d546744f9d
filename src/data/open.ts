import * as path from 'node:path';
import { cacheFolder } from '../package';
import { CIFAR, type CifarKind, readCifar } from './cifar/cifar';
import { locateCifar } from './cifar/locate';
import { type Dataset, type ImageSet, MEAN, STD, withFingerprint } from './dataset';
import { dataFileError, datasetError, usageError } from './errors';
import { type FolderOptions, readImageFolder } from './folders/image-folder';
import { DATASETS, type DatasetName, KNOWN } from './known';
import { pick, stratifiedIndexes } from './subset';
import { drawSynthetic, SYNTHETIC_CLASSES, syntheticLabels } from './synthetic';

/** Options of {@link openDataset}. */
export interface OpenOptions {
  /** Name of the data set: one of DATASETS except imagenet. */
  dataset: string;
  /** Folder or archive. Without it CIFAR is searched in `./data.<name>` and the cache. */
  data?: string;
  /** Number of images to keep, with the class proportions of all. */
  limitTrain?: number;
  limitTest?: number;
  /** Side of the square images of class folders, in pixels. Default 32. */
  imageSize?: number;
  /** Seed by which limited images are chosen and synthetic ones drawn. Use one value for all runs. Default 1. */
  seed?: number;
  /** Folder of decoded images and fetched archives. Default: the user's cache (docs/install.md). */
  cacheDir?: string;
  /** True to decode every image of class folders again instead of using the cache. */
  fresh?: boolean;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

type Opened = Omit<Dataset, 'fingerprint' | 'mean' | 'std'>;

/**
 * Reads a data set into memory: "cifar10", "cifar100", "folder" (class folders of images) or "synthetic". Rejects with ERR_USAGE for an
 * unknown name or limit, ERR_DATASET for data that is missing, damaged or of another form, ERR_FILE where the disk fails, and
 * `signal.reason` when aborted.
 *
 * @example
 * ```ts
 * const { train, test, classes } = await openDataset({ dataset: 'cifar10', data: 'cifar-10-binary.tar.gz', limitTrain: 5000 });
 * console.log(`${train.count} training and ${test.count} test images of ${classes} classes`);
 * ```
 */
export async function openDataset(options: OpenOptions): Promise<Dataset> {
  options.signal?.throwIfAborted();
  const name = options.dataset as DatasetName;
  if (name === 'imagenet')
    throw usageError(
      'The dataset "imagenet" is read from disk while it is used, not held in memory; open it with openImagenet.',
    );
  if (!DATASETS.includes(name)) throw usageError(`Unknown dataset "${name}"; known are ${DATASETS.join(', ')}.`);
  const { imageSize = 32 } = options;
  if (!Number.isInteger(imageSize) || imageSize < 1 || imageSize > 1024)
    throw usageError(`The image size is ${imageSize}, but must be a whole number of pixels from 1 to 1024.`);
  try {
    const opened = name === 'synthetic' ? await openSynthetic(options) : limit(await openFiles(name, options), options);
    return await withFingerprint({ ...opened, mean: [...MEAN], std: [...STD] });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw dataFileError(error, options.data ?? name);
  }
}

async function openFiles(name: Exclude<DatasetName, 'imagenet' | 'synthetic'>, options: OpenOptions): Promise<Opened> {
  if (name !== 'folder') return openCifar(CIFAR[name], options);
  if (!options.data)
    throw usageError('The dataset "folder" needs --data, a folder with train/<class>/ and test/<class>/.');
  return openFolder(name, options.data, options.imageSize ?? 32, options);
}

async function openCifar(kind: CifarKind, options: OpenOptions): Promise<Opened> {
  const place = await locateCifar(kind, options.data, options.cacheDir ?? cacheFolder());
  if (place.kind === 'images') {
    // Sorted folder names give the official order, as both sets list their classes alphabetically.
    const opened = await openFolder(kind.name, place.path, kind.size, options);
    if (opened.classes !== kind.classes)
      throw datasetError(
        `${place.path} has ${opened.classes} classes where ${kind.title} has ${kind.classes}; use --dataset folder for other images.`,
      );
    if (namesFit(kind, opened.classNames)) return opened;
    throw datasetError(
      `The classes in ${place.path} (${opened.classNames.slice(0, 3).join(', ')}, ...) are not those of ${kind.title} (${kind.names.slice(0, 3).join(', ')}, ...); use --dataset folder for other images.`,
    );
  }
  const { train, test, classNames } = await readCifar(kind, place.path, options);
  return {
    name: kind.name,
    synthetic: false,
    classes: kind.classes,
    classNames,
    height: kind.size,
    width: kind.size,
    train,
    test,
  };
}

/** True where the names are numbers, or at least half of them official ones in any spelling. */
function namesFit({ names, classes }: CifarKind, given: readonly string[]): boolean {
  const plain = (name: string) => name.toLowerCase().replace(/[^a-z]/g, '');
  const known = new Set(names.map(plain));
  const numbered = given.every((name) => /^\D*\d{1,3}$/.test(name) && Number(/\d+$/.exec(name)![0]) <= classes);
  return numbered || 2 * given.filter((name) => known.has(plain(name))).length >= given.length;
}

async function openFolder(name: string, root: string, size: number, options: OpenOptions): Promise<Opened> {
  const folder: FolderOptions = { ...options, imageSize: size, cacheDir: options.cacheDir ?? cacheFolder() };
  const images = await readImageFolder(path.resolve(root), folder);
  return { name, synthetic: false, classes: images.classNames.length, height: size, width: size, ...images };
}

async function openSynthetic({ limitTrain, limitTest, seed = 1, signal }: OpenOptions): Promise<Opened> {
  const train = stratifiedIndexes(syntheticLabels('train'), limitTrain, seed, '--limit-train');
  const test = stratifiedIndexes(syntheticLabels('test'), limitTest, seed, '--limit-test');
  return {
    name: 'synthetic',
    synthetic: true,
    classes: SYNTHETIC_CLASSES.length,
    classNames: [...SYNTHETIC_CLASSES],
    height: KNOWN.synthetic.size,
    width: KNOWN.synthetic.size,
    train: await drawSynthetic('train', seed, train, signal),
    test: await drawSynthetic('test', seed, test, signal),
  };
}

function limit(dataset: Opened, { limitTrain, limitTest, seed = 1 }: OpenOptions): Opened {
  const part = (set: ImageSet, count: number | undefined, flag: string) =>
    pick(set, stratifiedIndexes(set.labels, count, seed, flag));
  return {
    ...dataset,
    train: part(dataset.train, limitTrain, '--limit-train'),
    test: part(dataset.test, limitTest, '--limit-test'),
  };
}
