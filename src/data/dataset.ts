import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Unread } from './kinds';

/** 8-bit images in memory. */
export interface ImageSet {
  /** Shape (count, height, width, 3), row-major, RGB. */
  images: Uint8Array;
  /** Shape (count), each in [0, classes). */
  labels: Int32Array;
  count: number;
}

/** A data set in memory, as {@link openDataset} returns it. */
export interface Dataset {
  name: string;
  /** True for generated pictures; reports of their accuracy mention it. */
  synthetic: boolean;
  classes: number;
  /** Names of the classes, by label. */
  classNames: string[];
  /** Height and width of the images, in pixels. */
  height: number;
  width: number;
  /** Mean and standard deviation of each channel, of pixels scaled to [0, 1]. */
  mean: [number, number, number];
  std: [number, number, number];
  train: ImageSet;
  test: ImageSet;
  /** sha256 of shapes, labels and pixels of both sets, after limiting. */
  fingerprint: string;
  /** Pictures in class folders that are not read. */
  unread?: Unread[];
}

/**
 * Channel statistics of the reference for both CIFAR sets (docs/reference.md#3), used for class folders and the
 * synthetic set too.
 */
export const MEAN: [number, number, number] = [0.4914, 0.4822, 0.4465];
export const STD: [number, number, number] = [0.2023, 0.1994, 0.201];

/** Bytes handled before yielding to the event loop, which takes some milliseconds of hashing or copying. */
export const SLICE_BYTES = 4 << 20;

/** Completes a dataset with its fingerprint. */
export async function withFingerprint(dataset: Omit<Dataset, 'fingerprint'>): Promise<Dataset> {
  const { classes, height, width, train, test } = dataset;
  const hash = createHash('sha256').update(
    JSON.stringify({ classes, height, width, train: train.count, test: test.count }),
  );
  for (const set of [train, test]) {
    // Little-endian labels make the fingerprint independent of the machine.
    const labels = Buffer.alloc(set.count * 4);
    set.labels.forEach((label, index) => {
      labels.writeInt32LE(label, index * 4);
    });
    hash.update(labels);
    for (let at = 0; at < set.images.length; at += SLICE_BYTES) {
      hash.update(set.images.subarray(at, at + SLICE_BYTES));
      await breathe();
    }
  }
  return { ...dataset, fingerprint: hash.digest('hex') };
}
