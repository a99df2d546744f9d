/** Checks ImageNet on disk: every image decodes, and shards are those that were packed. */
import { open, readFile } from 'node:fs/promises';
import * as path from 'node:path';
import { availableCores } from '../cores';
import { hashFile } from '../download';
import { checkImage, isJpeg, reasonOf } from './encode';
import { type ImagenetOptions, openImagenet } from './imagenet';
import { type ImageListing, inParallel, WHOLE_FILE } from './listing';
import { readManifest } from './manifest';
import { withQuietSharp } from './quiet-sharp';
import { setReport, type VerifyReport } from './verify-report';

/** At most so many images that do not decode are named. */
const NAMED = 10;

/** Finds the images of a set that the training loader leaves out; it needs the engine, so the caller gives it. */
export type LoaderCheck = (
  set: ImageListing,
  options: Pick<ImagenetOptions, 'onProgress' | 'signal'>,
) => Promise<{ index: number; reason: string }[]>;

export type VerifyImagenetOptions = ImagenetOptions & { loader?: LoaderCheck | null };

export async function verifyImagenet(options: VerifyImagenetOptions, report: VerifyReport): Promise<VerifyReport> {
  if (options.data) report.path = path.resolve(options.data);
  try {
    const { classNames, fingerprint, train, test } = await openImagenet(options);
    report.classNames = classNames;
    report.fingerprint = fingerprint;
    report.train = train && setReport(train.labels, classNames.length);
    report.test = setReport(test.labels, classNames.length);
    // Only shards have a manifest of ours.
    if (test.lengths[0] !== WHOLE_FILE)
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

/** An image must decode to its end, and the training loader must take it. */
async function brokenImages(set: ImageListing, options: VerifyImagenetOptions): Promise<string[]> {
  const { onProgress, signal, loader } = options;
  const broken = new Map<number, string>();
  let done = 0;
  await withQuietSharp((sharp) =>
    inParallel(set.labels, 2 * availableCores().usable, async (_label, index) => {
      signal?.throwIfAborted();
      try {
        const bytes = await bytesOf(set, index);
        await checkImage(sharp, bytes);
        if (!isJpeg(bytes)) broken.set(index, 'not a JPEG; `earlybird data pack` converts it');
      } catch (error) {
        broken.set(index, reasonOf(error));
      }
      if (++done % 256 === 0 || done === set.count) onProgress?.(done, set.count, 'decoding images');
    }),
  );
  for (const { index, reason } of (await loader?.(set, { onProgress, signal })) ?? []) broken.set(index, reason);
  if (broken.size === 0) return [];
  const first = [...broken].sort(([a], [b]) => a - b).slice(0, NAMED);
  const named = first.map(([index, reason]) => `${set.nameOf(index)}: ${reason}`).join('; ');
  return [
    `${broken.size} of ${set.count} images cannot be decoded and are left out in training (${named}${broken.size > NAMED ? '; ...' : ''}).`,
  ];
}

async function bytesOf({ files, file, offsets, lengths }: ImageListing, index: number): Promise<Buffer> {
  const place = files[file[index]!]!;
  const length = lengths[index]!;
  if (length === WHOLE_FILE) return readFile(place);
  const handle = await open(place, 'r');
  try {
    return (await handle.read(Buffer.alloc(length), 0, length, offsets[index]!)).buffer;
  } finally {
    await handle.close();
  }
}
