/** Compares data sets as they are read with the lists of scripts/golden/data_files.py, which makes them. */
import { createHash } from 'node:crypto';
import { readBitmap } from '../../src/data/bitmap';
import { openImagenet } from '../../src/data/imagenet';
import { bytesOf, type ImageListing } from '../../src/data/listing';

export type Expected = Record<
  string,
  { classes: string[] | null; splits: Record<'train' | 'val', [number, string][]> }
>;

export const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Class and hash of each image: of its file, or of the pixels where nothing else is stored. */
async function contentOf(set: ImageListing): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for (let i = 0; i < set.count; i++) {
    const bytes = await bytesOf(set, i);
    found.push([set.labels[i]!, sha(readBitmap(bytes)?.data ?? bytes)]);
  }
  return found;
}

export async function checkContent(data: string, { classes, splits }: Expected[string]): Promise<void> {
  const opened = await openImagenet({ data });
  expect(opened.classNames).toEqual(classes ?? ['0', '1', '2']);
  expect(await contentOf(opened.train!)).toEqual(splits.train);
  expect(await contentOf(opened.test)).toEqual(splits.val);
  expect(opened.unread).toEqual([]);
}
