import * as path from 'node:path';
import { dataFileError, usageError } from './errors';
import { KNOWN } from './known';
import { fingerprintOf, type ImageListing, type ListedDataset, pickListing } from './listing';
import { emptyClasses, openSource } from './source';
import { stratifiedIndexes } from './subset';

/** Channel statistics of ImageNet's training set, as every published network uses them. */
export const IMAGENET_MEAN: [number, number, number] = [0.485, 0.456, 0.406];
export const IMAGENET_STD: [number, number, number] = [0.229, 0.224, 0.225];
/** Side of the network's input, and the shorter side of a test image before its centre is cut out, pixels. */
export const IMAGENET_SIZE = KNOWN.imagenet.size;
const IMAGENET_RESIZE = 256;

/** Options of {@link openImagenet}. */
export interface ImagenetOptions {
  /** Folder with `train/<wnid>/` and `val/<wnid>/` of images, or with tar shards. */
  data?: string;
  /** Number of images to keep, with the class proportions of all. */
  limitTrain?: number;
  limitTest?: number;
  /** Side of the network's input in pixels. Default 224. */
  imageSize?: number;
  /** Seed by which the limited images are chosen. Default 1. */
  seed?: number;
  /** False where only the test set is needed; train/ may then be absent. */
  train?: boolean;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

/** The shorter side of a test image for an input of this size: 256 for 224. */
export function resizeFor(size: number): number {
  return Math.round((size * IMAGENET_RESIZE) / IMAGENET_SIZE);
}

/**
 * Lists the images of ImageNet, or of a data set laid out like it: class folders or tar shards. The images stay on disk; a stream
 * ({@link NativeAddon.createStream}) decodes them during training. Rejects with ERR_USAGE, ERR_DATASET, ERR_FILE, or `signal.reason`.
 */
export async function openImagenet(options: ImagenetOptions): Promise<ListedDataset> {
  const { data, imageSize = IMAGENET_SIZE, limitTrain, limitTest, seed = 1, signal } = options;
  if (!data)
    throw usageError(
      'The dataset "imagenet" needs --data, a folder with train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, or of shards.',
    );
  if (!Number.isInteger(imageSize) || imageSize < 32 || imageSize > 1024)
    throw usageError(`The image size is ${imageSize}, but must be a whole number of pixels from 32 to 1024.`);
  try {
    const splits = options.train === false ? (['val'] as const) : (['train', 'val'] as const);
    const source = await openSource(path.resolve(data), { ...options, splits, first: 'shards' });
    const { classNames, unread, where } = source;
    const part = (set: ImageListing, limit: number | undefined, flag: string) =>
      pickListing(set, stratifiedIndexes(set.labels, limit, seed, flag));
    const train = source.train && part(source.train, limitTrain, '--limit-train');
    const test = part(source.test!, limitTest, '--limit-test');
    return {
      name: 'imagenet',
      synthetic: false,
      classes: classNames.length,
      classNames,
      height: imageSize,
      width: imageSize,
      mean: [...IMAGENET_MEAN],
      std: [...IMAGENET_STD],
      train,
      test,
      fingerprint: await fingerprintOf(classNames, [train, test], signal),
      where,
      unread: [...unread.train, ...unread.val],
      emptyClasses: emptyClasses(source),
    };
  } catch (error) {
    signal?.throwIfAborted();
    throw dataFileError(error, data);
  }
}
