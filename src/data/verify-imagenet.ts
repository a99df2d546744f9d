/** Looks through ImageNet on disk: does every image decode, and are the shards those that were packed. */
import { open, readFile } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { hashFile } from '../download';
import { checkImage, reasonOf } from './encode';
import { type ImagenetOptions, openImagenet } from './imagenet';
import { type ImageListing, inParallel } from './listing';
import { readManifest } from './manifest';
import { withQuietSharp } from './quiet-sharp';
import type { SetReport, VerifyReport } from './verify';

/** How many images that do not decode are named. */
const NAMED = 10;

export async function verifyImagenet(options: ImagenetOptions, report: VerifyReport): Promise<VerifyReport> {
  if (options.data) report.path = path.resolve(options.data);
  try {
    const { classNames, fingerprint, train, test } = await openImagenet(options);
    report.classNames = classNames;
    report.fingerprint = fingerprint;
    report.train = train && countClasses(train, classNames.length);
    report.test = countClasses(test, classNames.length);
    report.problems.push(...(await damagedShards(path.resolve(options.data!), options)));
    for (const set of [train, test]) if (set) report.problems.push(...(await brokenImages(set, options)));
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DATASET') throw error;
    report.problems.push((error as Error).message);
  }
  return report;
}

async function damagedShards(root: string, { onProgress, signal }: ImagenetOptions): Promise<string[]> {
  const manifest = await readManifest(root);
  const shards = manifest ? Object.values(manifest.splits).flatMap((split) => split.shards) : [];
  const problems: string[] = [];
  for (const [i, { file, sha256 }] of shards.entries()) {
    const place = path.join(root, file);
    const found = await hashFile(place, 'sha256', signal).catch(() => null);
    signal?.throwIfAborted();
    if (found === null) problems.push(`${place} is missing; pack the images again.`);
    else if (found !== sha256) problems.push(`The sha256 of ${place} is not that of its manifest; pack it again.`);
    onProgress?.(i + 1, shards.length, 'checking shards');
  }
  return problems;
}

async function brokenImages(set: ImageListing, { onProgress, signal }: ImagenetOptions): Promise<string[]> {
  const broken: string[] = [];
  let lost = 0;
  let done = 0;
  await withQuietSharp((sharp) =>
    inParallel(set.labels, 2 * os.availableParallelism(), async (_label, index) => {
      signal?.throwIfAborted();
      try {
        await checkImage(sharp, await bytesOf(set, index));
      } catch (error) {
        lost++;
        if (broken.length < NAMED) broken.push(`${set.nameOf(index)}: ${reasonOf(error)}`);
      }
      if (++done % 256 === 0 || done === set.count) onProgress?.(done, set.count, 'decoding images');
    }),
  );
  if (lost === 0) return [];
  const named = broken.sort().join('; ');
  return [`${lost} of ${set.count} images cannot be decoded (${named}${lost > NAMED ? '; ...' : ''}).`];
}

async function bytesOf({ files, file, offsets, lengths }: ImageListing, index: number): Promise<Buffer> {
  const place = files[file[index]!]!;
  const length = lengths[index]!;
  if (length === 0) return readFile(place);
  const handle = await open(place, 'r');
  try {
    return (await handle.read(Buffer.alloc(length), 0, length, offsets[index]!)).buffer;
  } finally {
    await handle.close();
  }
}

function countClasses(set: ImageListing, classes: number): SetReport {
  const perClass = new Array<number>(classes).fill(0);
  for (const label of set.labels) perClass[label]!++;
  return { images: set.count, perClass };
}
