/** What every dataset looks like once it is open: two sets of 8-bit images in memory, and what a network needs to know of them. */
import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';

export interface ImageSet {
  /** (count, height, width, 3), row-major, RGB. */
  images: Uint8Array;
  /** (count), each in [0, classes). */
  labels: Int32Array;
  count: number;
}

export interface Dataset {
  name: string;
  /** True for made-up pictures: whatever prints an accuracy on them must say so. */
  synthetic: boolean;
  classes: number;
  classNames: string[];
  height: number;
  width: number;
  /** Per channel, on pixels scaled to [0, 1]. */
  mean: [number, number, number];
  std: [number, number, number];
  train: ImageSet;
  test: ImageSet;
  /** sha256 over shapes, labels and pixels of both sets, after limiting. */
  fingerprint: string;
}

/** The constants of both CIFAR sets in the reference (its section 2); also used for class folders and the synthetic set. */
export const MEAN: [number, number, number] = [0.4914, 0.4822, 0.4465];
export const STD: [number, number, number] = [0.2023, 0.1994, 0.201];

/** Bytes handled between two turns of the event loop: some milliseconds of hashing or copying. */
export const SLICE_BYTES = 4 << 20;

/** Completes a dataset with its fingerprint. */
export async function withFingerprint(dataset: Omit<Dataset, 'fingerprint'>): Promise<Dataset> {
  const { classes, height, width, train, test } = dataset;
  const hash = createHash('sha256').update(
    JSON.stringify({ classes, height, width, train: train.count, test: test.count }),
  );
  for (const set of [train, test]) {
    // Labels are written out as little-endian, so that the fingerprint does not depend on the machine.
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
