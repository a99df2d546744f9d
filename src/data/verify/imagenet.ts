/** Checks ImageNet on disk: every image must decode, and shards must be those that were packed. */
import { stat } from 'node:fs/promises';
import * as path from 'node:path';
import { availableCores } from '../../cores';
import { hashFile } from '../../download';
import { checkImage, formatOf, isForeign, isJpeg, reasonOf } from '../decode';
import { isAbsent } from '../errors';
import type { ShardFile } from '../formats/format';
import { type ImagenetOptions, openImagenet } from '../imagenet';
import { countKinds, someOf, type Unread } from '../kinds';
import { bytesOf, type ImageListing, inParallel, NOT_PLAIN, WHOLE_FILE } from '../listing';
import { checkPacked, isPacked } from '../pack/packed';
import { withQuietSharp } from '../quiet-sharp';
import { shardsOf } from '../shards/layout';
import { readManifest } from '../shards/manifest';
import { besideFolders, besideMembers, type Present } from './present';
import { Repeats } from './repeats';
import { setReport, type VerifyReport } from './report';

/** Number of images that do not decode which are named at most. */
const NAMED = 10;

/** Finds the images of a set that the training loader leaves out. It needs the engine, so the caller passes it in. */
export type LoaderCheck = (
  set: ImageListing,
  options: Pick<ImagenetOptions, 'onProgress' | 'signal'>,
) => Promise<{ index: number; reason: string }[]>;

export type VerifyImagenetOptions = ImagenetOptions & { loader?: LoaderCheck | null };

export async function verifyImagenet(options: VerifyImagenetOptions, report: VerifyReport): Promise<VerifyReport> {
  if (options.data) report.path = path.resolve(options.data);
  try {
    const { classNames, fingerprint, train, test, where, emptyClasses, unread } = await openImagenet(options);
    report.classNames = classNames;
    report.fingerprint = fingerprint;
    report.train = train && setReport(train.labels, classNames.length);
    report.test = setReport(test.labels, classNames.length);
    report.notes.push(`read ${where}`, ...(emptyClasses ? [emptyClasses] : []));
    const sets = [train, test].filter((set) => set !== null);
    const files = test.lengths[0] === WHOLE_FILE ? null : await filesOf(report.path!);
    if (files) report.problems.push(...(await damagedShards(report.path!, files, options)));
    const beside = await (files
      ? besideMembers(report.path!, sets, files, options.signal)
      : besideFolders(report.path!, sets, options.signal));
    report.problems.push(...beside.problems);
    sayBeside(report, beside, unread);
    const repeats = new Repeats();
    if (train) await brokenImages(train, options, report, (index, bytes) => repeats.addTrain(index, bytes));
    await brokenImages(test, options, report, (index, bytes) => repeats.addTest(index, bytes));
    const repeated = train && repeats.note(train.nameOf, test.nameOf);
    if (repeated) report.notes.push(repeated);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DATASET') throw error;
    report.problems.push((error as Error).message);
  }
  return report;
}

/**
 * Adds what lies beside the images to a report: the pictures that the reader leaves out, with its reasons, those that
 * only the walk has met, and other files.
 */
export function sayBeside(
  { notRead, notes }: VerifyReport,
  { pictures, others }: Pick<Present, 'pictures' | 'others'>,
  unread: readonly Unread[],
): void {
  const told = new Set(unread.map(({ file }) => file));
  const left = [
    ...unread.map(({ file, reason }) => `${file}: ${reason}`),
    ...pictures.filter((file) => !told.has(file)),
  ];
  if (left.length > 0) notRead.push(`${left.length} images are not read (${someOf(left, NAMED)}).`);
  if (others.length > 0)
    notes.push(`${others.length} files are not images and are not read: ${countKinds(others)} (${someOf(others)})`);
}

async function filesOf(root: string): Promise<ShardFile[]> {
  return (await Promise.all((['train', 'val'] as const).map((split) => shardsOf(root, split)))).flat();
}

/**
 * Compares files with their checksums. Only shards of ours have a manifest; files of other kinds may have checksums.
 */
async function damagedShards(
  root: string,
  files: readonly ShardFile[],
  { onProgress, signal }: ImagenetOptions,
): Promise<string[]> {
  const manifest = await readManifest(root);
  const shards = manifest ? Object.values(manifest.splits).flatMap((split) => split.shards) : [];
  const problems: string[] = [];
  for (const [i, { file, sha256 }] of shards.entries()) {
    const place = path.join(root, file);
    if ((await hashFile(place, 'sha256', signal)) !== sha256)
      problems.push(`The sha256 of ${place} is not that of its manifest; pack it again.`);
    onProgress?.(i + 1, shards.length, 'checking shards');
  }
  for (const [i, { path: place, format }] of files.entries()) {
    const problem = await format.check?.(place, signal);
    if (problem) problems.push(problem);
    if (format.check) onProgress?.(i + 1, files.length, 'checking shards');
  }
  return problems;
}

/**
 * Finds images that do not decode to their end, or that the training loader refuses. `meet` gets the bytes of each
 * image. Rejects with ERR_FILE where the disk fails.
 */
async function brokenImages(
  set: ImageListing,
  options: VerifyImagenetOptions,
  report: VerifyReport,
  meet: (index: number, bytes: Buffer) => void,
): Promise<void> {
  const { onProgress, signal, loader } = options;
  const broken = new Map<number, string>();
  const others = new Map<number, string>();
  const named = new Set(set.others);
  const kinds: string[] = [];
  let packed = 0;
  let done = 0;
  await withQuietSharp((sharp) =>
    inParallel(set.labels, 2 * availableCores().usable, async (_label, index) => {
      signal?.throwIfAborted();
      try {
        const bytes = await bytesOf(set, index);
        meet(index, bytes);
        if (isPacked(bytes)) checkPacked(bytes);
        else await checkImage(sharp, bytes);
        if (set.lengths[index] === NOT_PLAIN) packed++;
        else if (named.has(index)) kinds.push(formatOf(bytes));
        else if (!isJpeg(bytes) && !isPacked(bytes)) others.set(index, `${formatOf(bytes)} by another name`);
      } catch (error) {
        if ((error as { code?: unknown }).code === 'ERR_FILE' && (await isFile(set, index))) throw error;
        const reason = reasonOf(error);
        (isForeign(reason) ? others : broken).set(index, reason);
      }
      if (++done % 256 === 0 || done === set.count) onProgress?.(done, set.count, 'decoding images');
    }),
  );
  for (const { index, reason } of (await loader?.(set, { onProgress, signal })) ?? [])
    if (!others.has(index) && !named.has(index)) (isForeign(reason) ? others : broken).set(index, reason);
  const listed = (found: Map<number, string>) =>
    someOf(
      [...found].sort(([a], [b]) => a - b).map(([index, reason]) => `${set.nameOf(index)}: ${reason}`),
      NAMED,
    );
  if (kinds.length > 0)
    report.notes.push(
      `${kinds.length} of ${set.count} images are not JPEG (${[...new Set(kinds)].sort().join(', ')}): training decodes them once, into the cache; "earlybird data pack" makes JPEG of them`,
    );
  if (packed > 0)
    report.notes.push(
      `${packed} of ${set.count} images are compressed in their files, or pixels: training unpacks them once, into the cache; "earlybird data pack" makes JPEG shards of them`,
      ...(loader ? [`the training loader was not tried on these ${packed}: pack them, and verify the shards`] : []),
    );
  if (broken.size > 0)
    report.problems.push(
      `${broken.size} of ${set.count} images cannot be decoded and are left out in training (${listed(broken)}).`,
    );
  if (others.size > 0)
    report.notRead.push(
      `${others.size} of ${set.count} images are sound, but of kinds that training does not decode, and are left out (${listed(others)}): "earlybird data pack" makes JPEG of those that it can read.`,
    );
}

/** False where an image has no file, which training counts as a bad image; a disk that fails ends a run. */
async function isFile({ files, file }: ImageListing, index: number): Promise<boolean> {
  return stat(files[file[index]!]!).then(
    (info) => info.isFile(),
    (error) => !isAbsent(error),
  );
}
