/**
 * Packs class folders of images, or other shards, into tar shards in the WebDataset convention. The shard of an image
 * depends on the list of images and the options alone. Shards are complete or absent, and progress.jsonl lists them, so
 * a second run continues after the last one.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import * as path from 'node:path';
import { writeFileAtomic } from '../../atomic';
import { availableCores } from '../../cores';
import { EarlybirdError, onDisk } from '../../errors';
import { lockFolder } from '../../lock';
import { reasonOf } from '../decode';
import { dataFileError } from '../errors';
import { bytesOf, type ImageListing } from '../listing';
import { withQuietSharp } from '../quiet-sharp';
import { MANIFEST, type Manifest, PROGRESS, readManifest } from '../shards/manifest';
import { indexOf } from '../shards/stored-index';
import { encodeImage } from './encode';
import { packedOr } from './packed';
import { type PackOptions, type Plan, planOf } from './plan';
import { BAD_LIST, type BadFile, foreign, isWhole, note, readSteps, type Step } from './progress';
import { shardBytes } from './shard-writer';

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

/** An image of a shard, or the reason why there is none. */
interface Made {
  index: number;
  image?: { bytes: Buffer; extension: string };
  reason?: string;
}

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
      const read = await bytesOf(listing, index);
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
        let key = keyOf(listing, index);
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
 * Key for an image such as "train/n01440764/n01440764_10026.JPEG": class and name without further dots, as a dot would
 * end the key. An image from a tar keeps its key.
 */
function keyOf(listing: ImageListing, index: number): string {
  const key = listing.keyOf?.(index);
  const file = path.basename(listing.files[listing.file[index]!]!);
  if (key !== undefined && /\.tar$/i.test(file)) return key.replace(/^(\.?\/)+/, '').replaceAll('.', '_');
  // In other files of many images, images have numbers instead of names.
  if (key !== undefined) return `${file}_${key}`.replace(/[.:]/g, '_');
  const below = listing.nameOf(index).split('/').slice(1);
  const base = below.pop()!.replace(/\.[^.]*$/, '');
  // Readers of shards skip members such as __this__.
  return [...below, base].map((part) => part.replaceAll('.', '_').replace(/^__(.*)__$/, '_$1_')).join('/');
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
