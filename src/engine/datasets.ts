/** Datasets in the engine: resident in the memory of the device, or decoded during use. */

import { aboveQuota, availableCores } from '../cores';
import { convertOthers } from '../data/converted';
import type { Dataset, ImageSet } from '../data/dataset';
import { openImagenet, resizeFor } from '../data/imagenet';
import { someOf, type Unread } from '../data/kinds';
import { PADDING } from '../data/known';
import { type ImageListing, NOT_PLAIN } from '../data/listing';
import { openDataset } from '../data/open';
import { EarlybirdError } from '../errors';
import { requireJpeg } from '../native/jpeg';
import { orDispose } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { NativeDataset } from '../native/types/dataset';
import { cacheFolder } from '../package';
import type { Place } from '../ranks/place';
import { coresOfRank, type Engine } from './device';

/** The entries of a recipe that choose the images and the way of reading them. */
export interface DataOptions {
  dataset: string;
  data?: string | undefined;
  limitTrain?: number | undefined;
  limitTest?: number | undefined;
  imageSize?: number | undefined;
  workers?: number | undefined;
  maxBad?: number;
  filter: 'none' | 'lowpass' | 'highpass';
  sigma: number;
  sparsityGt: number;
  /** Normalisation of the network to be tested, where it was trained under another than that of the dataset. */
  normalisation?: Pick<Dataset, 'mean' | 'std'> | undefined;
}

export interface OpenedData {
  dataset: Omit<Dataset, 'train' | 'test'> & Record<'train' | 'test', { count: number }>;
  sets: { train?: NativeDataset; test: NativeDataset };
  nameOf(set: 'train' | 'test', index: number): string;
}

interface Opening {
  /** False where only the test images are needed; a resident dataset has both anyway. */
  train: boolean;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
  /** Place of this process among those that share the images out. */
  place?: Place | undefined;
}

/** Share of the images of this process; a process on its own has all of them. */
const shareOf = (place: Place | undefined) => ({ rank: place?.rank ?? 0, worldSize: place?.size ?? 1 });

/** Opens a dataset with all its images in the memory of the device. */
export async function openResident(
  { addon, device }: Engine,
  {
    dataset: name,
    data,
    limitTrain,
    limitTest,
    imageSize,
    filter,
    sigma,
    sparsityGt,
    normalisation,
    maxBad = 100,
  }: DataOptions,
  { log, signal, place }: Opening,
): Promise<OpenedData> {
  const opened = await openDataset({ dataset: name, data, limitTrain, limitTest, imageSize, signal });
  const { classes, height, width } = opened;
  const { mean, std } = normalisation ?? opened;
  reportUnread(name, opened.unread ?? [], maxBad, log);
  const common = {
    classes,
    mean,
    std,
    device,
    height,
    width,
    filter: { kind: filter, sigma },
    threshold: sparsityGt,
    ...shareOf(place),
  };
  const resident = async ({ images, labels }: ImageSet, augmentation: { padding: number; flip: boolean }) => {
    const set = await addon.createDataset({ ...common, ...augmentation, images, labels });
    releaseImages(images);
    return set;
  };
  const [train, test] = await both(
    () => resident(opened.train, { padding: PADDING, flip: true }),
    () => resident(opened.test, { padding: 0, flip: false }),
    signal,
  );
  return { dataset: withoutPixels(opened), sets: { train, test }, nameOf: (_set, index) => `image ${index}` };
}

/** Opens a dataset whose images are decoded during use. */
export async function openStreams(
  { addon, device }: Engine,
  { data, limitTrain, limitTest, imageSize, workers: asked, maxBad = 100, normalisation }: DataOptions,
  { train, log, signal, place }: Opening,
): Promise<OpenedData> {
  requireJpeg(addon); // checked before a million images are listed
  const workers = asked ?? (place ? coresOfRank(place) : availableCores().usable);
  const above = aboveQuota('--workers', workers);
  if (above) log(above);
  const opened = await openImagenet({ data, limitTrain, limitTest, imageSize, train, signal });
  const { classes, height: size, train: listing } = opened;
  const { mean, std } = normalisation ?? opened;
  const sizes = [listing && `${listing.count} training images`, `${opened.test.count} test images`];
  log(`imagenet: ${sizes.filter(Boolean).join(', ')}, ${classes} classes, ${opened.where}`);
  if (opened.emptyClasses) log(`imagenet: ${opened.emptyClasses}`);
  reportUnread('imagenet', opened.unread, maxBad, log);
  const settings = { classes, mean, std, device, size, workers, maxBad, ...shareOf(place) };
  const decoded = (set: ImageListing, what: string) => {
    const others = set.others?.length ?? 0;
    if (others > 0)
      log(`imagenet: ${others} ${what} images are not JPEG, or compressed in their files, and go into the cache once`);
    return convertOthers(set, { cacheDir: cacheFolder(), signal });
  };
  const tests = await decoded(opened.test, 'test');
  const trains = listing && (await decoded(listing, 'training'));
  const [test, training] = await both(
    () => createStream(addon, tests, { ...settings, transform: 'evaluate' }),
    async () => trains && createStream(addon, trains, { ...settings, transform: 'train' }),
    signal,
  );
  const names = { train: listing?.nameOf, test: opened.test.nameOf };
  return {
    dataset: withoutPixels(opened),
    sets: { test, ...(training ? { train: training } : {}) },
    nameOf: (set, index) => names[set]!(index),
  };
}

/** Logs which images are not read. Throws ERR_DATASET where they are more than `maxBad`. */
function reportUnread(name: string, unread: readonly Unread[], maxBad: number, log: Opening['log']): void {
  if (unread.length === 0) return;
  const text = `${unread.length} images are not read (${someOf(unread.map(({ file, reason }) => `${file}: ${reason}`))})`;
  if (unread.length > maxBad)
    throw new EarlybirdError(
      'ERR_DATASET',
      `${text}, more than --max-bad ${maxBad}: make JPEG of them, move them away, or raise --max-bad.`,
    );
  log(`${name}: ${text}`);
}

type WithoutSets = Omit<Dataset, 'train' | 'test'>;
type Counted = { count: number } | null | undefined;

function withoutPixels(opened: WithoutSets & { train?: Counted; test: { count: number } }): OpenedData['dataset'] {
  return { ...opened, train: { count: opened.train?.count ?? 0 }, test: { count: opened.test.count } };
}

/** Makes two sets, and disposes of the first where the second fails or the signal aborts. */
async function both<A extends Disposable, B extends Disposable | null | undefined>(
  makeFirst: () => Promise<A>,
  makeSecond: () => Promise<B>,
  signal: AbortSignal | undefined,
): Promise<[A, B]> {
  const first = await makeFirst();
  return orDispose(first, async () => {
    signal?.throwIfAborted();
    const second = await makeSecond();
    if (second) await orDispose(second, () => signal?.throwIfAborted());
    return [first, second];
  });
}

type StreamSettings = Omit<
  Parameters<NativeAddon['createStream']>[0],
  'files' | 'file' | 'offsets' | 'lengths' | 'labels' | 'resize'
>;

export function createStream(addon: NativeAddon, listing: ImageListing, settings: StreamSettings) {
  const { files, file, offsets, labels } = listing;
  // Only the cache holds images that are not plain; in other shards such an image counts as missing.
  const lengths = listing.lengths.map((length) => (length === NOT_PLAIN ? 0 : length));
  const resize = resizeFor(settings.size);
  return addon.createStream({ ...settings, files, file, offsets, lengths, labels, resize });
}

/**
 * Frees an array of pixels that the engine has copied, and leaves it empty. The garbage collector would keep it until
 * training has allocated its own memory, which would add a second data set to the peak. An array that shares its buffer
 * with others is left alone.
 */
export function releaseImages({ buffer, byteLength }: Uint8Array): void {
  if (buffer.byteLength !== byteLength) return;
  // Transferring it in a message that nobody receives is the only way to free a buffer in Node 20.
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(null, [buffer as ArrayBuffer]);
  port1.close();
}
