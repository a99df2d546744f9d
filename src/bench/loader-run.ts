/** Times our image loader in this process: every image of a folder, pass after pass, as training reads it. */
import { readdir } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { availableCores } from '../cores';
import { IMAGENET_MEAN, IMAGENET_STD } from '../data/imagenet';
import { type ImageListing, range, WHOLE_FILE } from '../data/listing';
import { shardsOf } from '../data/shards/layout';
import { readSplit } from '../data/shards/shards';
import { createStream } from '../engine/datasets';
import { openEngine } from '../engine/device';
import { EarlybirdError } from '../errors';
import { spread } from '../measure';
import { requireJpeg } from '../native/jpeg';
import { packageVersion } from '../package';
import type { BenchLoaderRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';

/** One run of one program. */
export interface LoaderRecord {
  /** Number of threads or processes that decode. */
  workers: number;
  files: number;
  /** Median over the timed passes. */
  imagesPerSecond: number;
  /** Images per second of one worker. Processor time is used where it exceeds the wall time of the workers. */
  perCore: number;
  /** Resident memory after the first and after the last pass, MiB; null for the peer. */
  residentMib: { first: number; last: number } | null;
  bad: number;
  versions: Record<string, string | number>;
}

const MIB = 1 << 20;

export async function timeLoader(recipe: BenchLoaderRecipe, { signal }: RunOptions = {}): Promise<LoaderRecord> {
  const { batchSize, passes, imageSize, seed, workers = availableCores().usable } = recipe;
  const { addon, device } = openEngine({ device: 'cpu', noCuda: false, threads: 1 });
  requireJpeg(addon);
  const listing = await imagesUnder(recipe.data, signal);
  using stream = await createStream(addon, listing, {
    classes: 1 + listing.labels.reduce((most, label) => Math.max(most, label), 0),
    device,
    mean: [...IMAGENET_MEAN],
    std: [...IMAGENET_STD],
    size: imageSize,
    transform: 'train',
    workers,
    maxBad: listing.count,
  });
  const rates: { wall: number; core: number }[] = [];
  const resident: number[] = [];
  let bad = 0;
  // The first pass is not timed: it warms the page cache, as the peer's does.
  for (let epoch = 0; epoch <= passes; epoch++) {
    const before = process.cpuUsage();
    const pass = await stream.drain({ seed, epoch, batchSize, signal });
    const { user, system } = process.cpuUsage(before);
    const busy = Math.max(pass.seconds * workers, (user + system) / 1e6);
    rates.push({ wall: pass.images / pass.seconds, core: pass.images / busy });
    resident.push(process.memoryUsage.rss() / MIB);
    bad = pass.bad.length;
  }
  const timed = rates.slice(1);
  return {
    workers,
    files: listing.count,
    imagesPerSecond: spread(timed.map(({ wall }) => wall))!.median,
    perCore: spread(timed.map(({ core }) => core))!.median,
    residentMib: { first: resident[0]!, last: resident.at(-1)! },
    bad,
    versions: {
      earlybird: packageVersion(),
      libtorch: addon.loaded,
      node: process.version,
      device: os.cpus()[0]?.model ?? 'unknown',
    },
  };
}

/** Lists the shards where there are any, else the files that the peer finds: every JPEG below the folder. */
export async function imagesUnder(folder: string, signal?: AbortSignal): Promise<ImageListing> {
  const root = path.resolve(folder);
  for (const split of ['train', 'val'] as const)
    if ((await shardsOf(root, split)).length > 0) return (await readSplit(root, split, { signal })).listing;
  const names = await readdir(root, { recursive: true }).catch(() => [] as string[]);
  const files = names
    .filter((name) => /\.jpe?g$/i.test(name))
    .sort()
    .map((name) => path.join(root, name));
  const count = files.length;
  if (count === 0)
    throw new EarlybirdError('ERR_DATASET', `${folder} holds neither JPEG files nor shards; give another --data.`);
  return {
    files,
    file: range(count),
    offsets: new Float64Array(count),
    lengths: new Float64Array(count).fill(WHOLE_FILE),
    labels: new Int32Array(count),
    count,
    nameOf: (index) => files[index]!,
  };
}
