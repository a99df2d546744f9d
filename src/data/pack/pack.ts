/**
 * Packs class folders of images, or other shards, into tar shards in the WebDataset convention. The shard of an image
 * depends on the list of images and the options alone. Shards are complete or absent, and progress.jsonl lists them, so
 * a second run continues after the last one.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { sweep, writeFileAtomic } from '../../atomic';
import { availableCores } from '../../cores';
import { EarlybirdError, onDisk } from '../../errors';
import { lockFolder } from '../../lock';
import { reasonOf } from '../decode';
import { dataFileError, datasetError, usageError } from '../errors';
import type { Unread } from '../kinds';
import { bytesOf, fingerprintOf, type ImageListing, inParallel } from '../listing';
import { withQuietSharp } from '../quiet-sharp';
import { MANIFEST, type Manifest, PROGRESS, readManifest } from '../shards/manifest';
import { indexOf } from '../shards/stored-index';
import { openSource } from '../source';
import { type EncodeOptions, encodeImage } from './encode';
import { mixed } from './order';
import { type JpegPacker, packedOr } from './packed';
import { shardBytes } from './shard-writer';

/** Options of {@link pack}. */
export interface PackOptions extends Partial<EncodeOptions> {
  /** Size of a shard: a number of images ("1000"), or megabytes ("256MB"). */
  shardSize?: string;
  splits?: readonly ('train' | 'val')[];
  /**
   * Kind of the stored images. "yuv": images without their Huffman code, twice as large and faster to read. Default
   * "jpeg".
   */
  cache?: 'jpeg' | 'yuv';
  /** Function that makes the images of a cache. */
  packer?: JpegPacker | undefined;
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

/** An image that is left out, with the reason. */
export interface BadFile {
  file: string;
  reason: string;
}

/** Result of {@link pack}. */
export interface PackResult {
  folder: string;
  manifest: Manifest;
  bad: BadFile[];
  /** False where the folder already held all shards. */
  packed: boolean;
  /** Form of the data that was read: "in class folders". */
  where: string;
}

/** One finished shard, a line of progress.jsonl. */
interface Step {
  split: string;
  file: string;
  images: number;
  bytes: number;
  sha256: string;
  /** Position in the order of the split at which the next shard begins. */
  next: number;
  bad: BadFile[];
}

/** An image of a shard, or the reason why there is none. */
interface Made {
  index: number;
  image?: { bytes: Buffer; extension: string };
  reason?: string;
}

interface Plan {
  from: string;
  to: string;
  options: EncodeOptions & { shardSize: string; cache?: 'yuv' };
  packer: JpegPacker | null;
  limit: { images: number; bytes: number };
  classes: string[];
  splits: { name: string; listing: ImageListing; order: Int32Array; unread: Unread[] }[];
  where: string;
  key: string;
}

export const BAD_LIST = 'bad.txt';

/**
 * Packs class folders of images (`from/train/<class>/`, `from/val/<class>/`), or shards where there are none, into tar
 * shards in the folder `to`, with manifest.json. Images that do not decode are left out and listed. After an
 * interruption the same call continues. Rejects with ERR_USAGE, ERR_DATASET, ERR_FILE, or `signal.reason`.
 */
export async function pack(from: string, to: string, options: PackOptions = {}): Promise<PackResult> {
  options.signal?.throwIfAborted();
  return packAll(from, to, options).catch((error) => {
    options.signal?.throwIfAborted();
    throw dataFileError(error, to);
  });
}

async function packAll(from: string, to: string, { signal, onProgress, ...options }: PackOptions): Promise<PackResult> {
  const plan = await planOf(path.resolve(from), path.resolve(to), options, signal);
  using _lock = await lockFolder(plan.to);
  const before = await readManifest(plan.to);
  if (before && before.key !== plan.key) throw foreign(plan.to);
  if (before && (await isWhole(plan.to, before))) {
    await rm(path.join(plan.to, PROGRESS), { force: true });
    return { folder: plan.to, manifest: before, bad: await readBad(plan.to), packed: false, where: plan.where };
  }
  const steps = await readSteps(plan, before !== null);
  // Until the manifest is written again, the folder counts as interrupted.
  await rm(path.join(plan.to, MANIFEST), { force: true });
  const total = plan.splits.reduce((sum, { order }) => sum + order.length, 0);
  const log = await open(path.join(plan.to, PROGRESS), 'a');
  try {
    let finished = 0;
    for (const split of plan.splits) {
      const own = () => steps.filter(({ split: name }) => name === split.name);
      while ((own().at(-1)?.next ?? 0) < split.order.length) {
        const start = own().at(-1)?.next ?? 0;
        const report = (here: number) => onProgress?.(finished + here, total, 'packing images');
        const step = await packShard(plan, split, own().length, start, report, signal);
        await onDisk(path.join(plan.to, PROGRESS), 'written', () => note(log, step));
        steps.push(step);
      }
      finished += split.order.length;
    }
  } finally {
    await log.close();
  }
  return conclude(plan, steps);
}

async function planOf(from: string, to: string, options: PackOptions, signal?: AbortSignal): Promise<Plan> {
  const { shortSide = null, maxSide = null, quality = 90, shardSize = '1000', splits = ['train', 'val'] } = options;
  if (shortSide !== null && maxSide !== null)
    throw usageError('--short-side and --max-side are both given; give one of them.');
  for (const [flag, side] of [['--short-side', shortSide] as const, ['--max-side', maxSide] as const])
    if (side !== null && !(Number.isInteger(side) && side >= 16))
      throw usageError(`${flag} ${side} is not possible: give a whole number of pixels, 16 or more.`);
  if (!(Number.isInteger(quality) && quality >= 1 && quality <= 100))
    throw usageError(`--quality ${quality} is not possible: give a whole number from 1 to 100.`);
  const limit = limitOf(shardSize);
  if (options.cache === 'yuv' && !options.packer)
    throw usageError('A cache needs "packer", the packJpeg of an addon with a JPEG decoder.');
  await checkApart(from, to);
  if ((await readManifest(from))?.options.cache)
    throw datasetError(`${from} holds a cache, not images: pack the images or JPEG shards that it was made of.`);
  const { classNames: classes, ...source } = await openSource(from, {
    splits,
    first: 'folders',
    renumber: true,
    signal,
  });
  const listings = splits.map((name, i) => {
    const listing = source[name === 'val' ? 'test' : name]!;
    return { name, listing, order: mixed(listing, i), unread: source.unread[name] };
  });
  // The key of JPEG shards stays as it was before other kinds existed.
  const asked = { shortSide, maxSide, quality, shardSize, ...(options.cache === 'yuv' && { cache: options.cache }) };
  const fingerprint = await fingerprintOf(
    classes,
    listings.map(({ listing }) => listing),
    signal,
  );
  const packer = (asked.cache && options.packer) || null;
  const key = createHash('sha256').update(JSON.stringify({ asked, splits, fingerprint })).digest('hex');
  return { from, to, options: asked, packer, limit, classes, splits: listings, where: source.where, key };
}

/**
 * Refuses a target that is the source or lies in one of its splits, where the shards would be read instead of the
 * source, or packed again.
 */
async function checkApart(from: string, to: string): Promise<void> {
  const real = async (place: string): Promise<string> =>
    realpath(place).catch(async () => {
      const above = path.dirname(place);
      return above === place ? place : path.join(await real(above), path.basename(place));
    });
  const [source, target] = [await real(from), await real(to)];
  const inside = ['train', 'val'].some((split) => `${target}/`.startsWith(`${path.join(source, split)}/`));
  if (source === target || inside)
    throw usageError(`The shards cannot go into ${to}, among the images that they are made of; give another folder.`);
}

function limitOf(shardSize: string): Plan['limit'] {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(MB)?$/i.exec(shardSize.trim()) ?? [];
  const value = Number(number);
  if (!(value > 0) || (!unit && !Number.isInteger(value)))
    throw usageError(
      `--shard-size ${shardSize} is not possible: give a number of images such as 1000, or of megabytes such as 256MB.`,
    );
  const none = Number.POSITIVE_INFINITY;
  return unit ? { images: none, bytes: value * 1e6 } : { images: value, bytes: none };
}

/** Writes the shard that begins at position `start` of the order. */
async function packShard(
  plan: Plan,
  { name: split, listing, order }: Plan['splits'][number],
  number: number,
  start: number,
  report: (here: number) => void,
  signal?: AbortSignal,
): Promise<Step> {
  const file = `${split}-${String(number).padStart(6, '0')}.tar`;
  const place = path.join(plan.to, file);
  const step: Step = { split, file, images: 0, bytes: 0, sha256: '', next: start, bad: [] };
  const hash = createHash('sha256');
  const keys = new Set<string>();
  await withQuietSharp(async (sharp) => {
    const encode = async (position: number): Promise<Made> => {
      const index = order[position]!;
      // A failing disk stops packing; it does not make an image bad.
      const read = await bytesOf(listing, index).catch((error) => {
        throw dataFileError(error, listing.files[listing.file[index]!]!);
      });
      const jpeg = await encodeImage(sharp, read, plan.options).catch(reasonOf);
      if (typeof jpeg === 'string') return { index, reason: jpeg };
      return { index, image: await packedOr(jpeg, plan.packer) };
    };
    const begin = (position: number) => {
      const made = encode(position);
      made.catch(() => undefined); // awaited in its turn
      return made;
    };
    /**
     * Yields the images in order, with several in the making, as the number that the shard takes is known only when
     * they come.
     */
    async function* images() {
      const ahead: ReturnType<typeof encode>[] = [];
      let weight = 0;
      for (let position = start; position < order.length; position++) {
        if (step.images >= plan.limit.images || weight >= plan.limit.bytes) break;
        signal?.throwIfAborted();
        const left = Math.min(order.length - position, plan.limit.images - step.images);
        while (ahead.length < Math.min(2 * availableCores().usable, left)) ahead.push(begin(position + ahead.length));
        const { index, image, reason } = await ahead.shift()!;
        step.next = position + 1;
        report(step.next);
        if (!image) {
          step.bad.push({ file: listing.nameOf(index), reason: reason! });
          continue;
        }
        step.images++;
        weight += image.bytes.length;
        let key = keyOf(listing.nameOf(index));
        while (keys.has(key)) key += '_';
        keys.add(key);
        yield { key, label: listing.labels[index]!, ...image };
      }
      await Promise.allSettled(ahead);
    }
    async function* hashed() {
      for await (const chunk of shardBytes(images())) {
        hash.update(chunk);
        step.bytes += chunk.length;
        yield chunk;
      }
    }
    await writeFileAtomic(place, hashed(), { signal });
  });
  step.sha256 = hash.digest('hex');
  if (step.images === 0) await rm(place);
  // Reading the index from the shard itself proves that it was written.
  else if ((await indexOf(place, signal)).keys.length !== step.images)
    throw new EarlybirdError('ERR_FILE', `${place} does not hold what was written to it; check the disk.`);
  return step;
}

/**
 * Key for a name such as "train/n01440764/n01440764_10026.JPEG": class and name without further dots, as a dot would
 * end the key. An image from a shard keeps its key.
 */
function keyOf(name: string): string {
  const [, shard, member] = /^([^:]*\.tar):(.*)$/.exec(name) ?? [];
  if (shard !== undefined) return member!.replace(/^(\.?\/)+/, '').replaceAll('.', '_');
  // In other files of many images, images have numbers instead of names.
  if (/:\d+$/.test(name)) return path.basename(name).replace(/[.:]/g, '_');
  const below = name.split('/').slice(1);
  const base = below.pop()!.replace(/\.[^.]*$/, '');
  // Readers of shards skip members such as __this__.
  return [...below, base].map((part) => part.replaceAll('.', '_').replace(/^__(.*)__$/, '_$1_')).join('/');
}

/** True where all shards of a manifest are there with their sizes; `data verify` checks their bytes. */
async function isWhole(folder: string, { splits }: Manifest): Promise<boolean> {
  const shards = Object.values(splits).flatMap((split) => split.shards);
  const sizes = await inParallel(shards, 8, ({ file }) => sizeOf(path.join(folder, file)));
  return shards.every(({ bytes }, i) => sizes[i] === bytes);
}

/** Size of a file; 0 where it is absent. */
async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (info) => info.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
}

/** The shards that earlier runs finished and that are still there. `ours`: the folder is known to hold shards of this plan. */
async function readSteps(plan: Plan, ours: boolean): Promise<Step[]> {
  const file = path.join(plan.to, PROGRESS);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  // A kill may leave half a line and half a shard.
  const [head, ...lines] = text.split('\n').slice(0, -1);
  const names = await readdir(plan.to);
  if (head !== undefined ? keyIn(head) !== plan.key : !ours && names.some((name) => name.endsWith('.tar')))
    throw foreign(plan.to);
  await sweep(plan.to);
  const steps: Step[] = [];
  for (const line of lines) {
    const step = JSON.parse(line) as Step;
    const size = await sizeOf(path.join(plan.to, step.file));
    // Shards after a missing one are made again as well.
    if (size !== step.bytes && step.images > 0) break;
    steps.push(step);
  }
  await writeFileAtomic(file, [{ key: plan.key }, ...steps].map((line) => `${JSON.stringify(line)}\n`).join(''));
  return steps;
}

function keyIn(head: string): unknown {
  try {
    return (JSON.parse(head) as { key?: unknown } | null)?.key;
  } catch {
    return undefined;
  }
}

async function note(log: FileHandle, step: Step): Promise<void> {
  await log.appendFile(`${JSON.stringify(step)}\n`);
  await log.sync();
}

async function conclude(plan: Plan, steps: readonly Step[]): Promise<PackResult> {
  const bad = [...plan.splits.flatMap(({ unread }) => unread), ...steps.flatMap((step) => step.bad)];
  const splits = plan.splits.map(({ name, unread }) => {
    const own = steps.filter(({ split }) => split === name);
    const shards = own
      .filter(({ images }) => images > 0)
      .map(({ file, images, bytes, sha256 }) => ({ file, images, bytes, sha256 }));
    const sum = (of: 'images' | 'bytes') => shards.reduce((total, shard) => total + shard[of], 0);
    const lost = own.reduce((total, step) => total + step.bad.length, unread.length);
    return [name, { images: sum('images'), bad: lost, bytes: sum('bytes'), shards }] as const;
  });
  const manifest: Manifest = {
    format: 'earlybird shards 1',
    key: plan.key,
    options: plan.options,
    classes: plan.classes,
    splits: Object.fromEntries(splits),
  };
  await writeFileAtomic(path.join(plan.to, BAD_LIST), bad.map(({ file, reason }) => `${file}\t${reason}\n`).join(''));
  await writeFileAtomic(path.join(plan.to, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
  await rm(path.join(plan.to, PROGRESS), { force: true });
  return { folder: plan.to, manifest, bad, packed: true, where: plan.where };
}

async function readBad(folder: string): Promise<BadFile[]> {
  const text = await readFile(path.join(folder, BAD_LIST), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [file, reason] = line.split('\t');
      return { file: file!, reason: reason ?? '' };
    });
}

function foreign(folder: string): EarlybirdError {
  return datasetError(
    `${folder} holds shards of other images, made with other options or not by data pack; choose another folder, or empty it.`,
  );
}
