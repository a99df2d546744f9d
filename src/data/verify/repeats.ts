/** Finds images of the test set that are also in the training set, as they raise the accuracy of the test. */
import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import type { ImageSet } from '../dataset';
import { someOf } from '../kinds';

/** Number of letters of a hash that are kept: two different images share them once in 2^70 pairs. */
const LETTERS = 12;

/**
 * Repeated images, found by the hashes of their bytes: the first such image of the training set, and those of the test
 * set.
 */
export class Repeats {
  private readonly trained = new Map<string, number>();
  private readonly found = new Map<number, number>();

  addTrain(index: number, bytes: Uint8Array): void {
    const key = hashOf(bytes);
    if (!this.trained.has(key)) this.trained.set(key, index);
  }

  addTest(index: number, bytes: Uint8Array): void {
    const first = this.trained.get(hashOf(bytes));
    if (first !== undefined) this.found.set(index, first);
  }

  /** A sentence for reports; null where no image repeats. */
  note(trainName: (index: number) => string, testName: (index: number) => string): string | null {
    if (this.found.size === 0) return null;
    const pairs = [...this.found].sort(([a], [b]) => a - b);
    const named = pairs.map(([test, train]) => `${testName(test)} is ${trainName(train)}`);
    return `${pairs.length} images of the test set are in the training set as well, byte for byte (${someOf(named)}): the accuracy on them is not that on new images`;
  }
}

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('base64').slice(0, LETTERS);

/** Returns the same sentence for sets in memory. */
export async function repeatsIn(train: ImageSet, test: ImageSet): Promise<string | null> {
  const repeats = new Repeats();
  const each = async ({ images, count }: ImageSet, take: (index: number, bytes: Uint8Array) => void) => {
    const bytes = images.length / count;
    for (let i = 0; i < count; i++) {
      take(i, images.subarray(i * bytes, (i + 1) * bytes));
      if (i % 1024 === 1023) await breathe();
    }
  };
  await each(train, (index, bytes) => repeats.addTrain(index, bytes));
  await each(test, (index, bytes) => repeats.addTest(index, bytes));
  return repeats.note(
    (index) => `image ${index} of train`,
    (index) => `image ${index}`,
  );
}
