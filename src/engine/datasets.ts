import * as os from 'node:os';
import type { Dataset, ImageSet } from '../data/dataset';
import { openImagenet, resizeFor } from '../data/imagenet';
import { PADDING } from '../data/known';
import type { ImageListing } from '../data/listing';
import { openDataset } from '../data/open';
import { requireJpeg } from '../native/jpeg';
import type { NativeAddon } from '../native/types/addon';
import type { NativeDataset } from '../native/types/dataset';
import type { Engine } from './device';
import type { Log, TestSession } from './session';

export interface DataWish {
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
}

/** A dataset with the engine, one set or both. */
export interface Opened {
  dataset: TestSession['dataset'];
  sets: { train?: NativeDataset; test: NativeDataset };
  nameOf(set: 'train' | 'test', index: number): string;
}

/** All images in the memory of the device. */
export async function openResident(
  { addon, device }: Engine,
  wish: DataWish,
  _train: boolean,
  _log: Log,
  signal?: AbortSignal,
): Promise<Opened> {
  const { dataset: name, data, limitTrain, limitTest, imageSize } = wish;
  const opened = await openDataset({ dataset: name, data, limitTrain, limitTest, imageSize, signal });
  const common = {
    ...shared(opened, device),
    height: opened.height,
    width: opened.width,
    filter: { kind: wish.filter, sigma: wish.sigma },
    threshold: wish.sparsityGt,
  };
  const resident = async ({ images, labels }: ImageSet, augmentation: { padding: number; flip: boolean }) => {
    const set = await addon.createDataset({ ...common, ...augmentation, images, labels });
    releaseImages(images);
    return set;
  };
  const dataset = { ...opened, train: { count: opened.train.count }, test: { count: opened.test.count } };
  const train = await resident(opened.train, { padding: PADDING, flip: true });
  const test = await orDispose(train, () => resident(opened.test, { padding: 0, flip: false }), signal);
  return { dataset, sets: { train, test }, nameOf: (_set, index) => `image ${index}` };
}

/** Images that are decoded while they are used. */
export async function openStreams(
  { addon, device }: Engine,
  wish: DataWish,
  train: boolean,
  log: Log,
  signal?: AbortSignal,
): Promise<Opened> {
  requireJpeg(addon); // before a million images are listed
  const { data, limitTrain, limitTest, imageSize } = wish;
  const opened = await openImagenet({ data, limitTrain, limitTest, imageSize, train, signal });
  const sizes = [opened.train && `${opened.train.count} training images`, `${opened.test.count} test images`];
  log(`imagenet: ${sizes.filter(Boolean).join(', ')}, ${opened.classes} classes`);
  const { workers = os.availableParallelism(), maxBad = 100 } = wish;
  const settings = { ...shared(opened, device), size: opened.height, workers, maxBad };
  const names = { train: opened.train?.nameOf, test: opened.test.nameOf };
  const dataset = { ...opened, train: { count: opened.train?.count ?? 0 }, test: { count: opened.test.count } };
  const test = await createStream(addon, opened.test, { ...settings, transform: 'evaluate' });
  const sets: Opened['sets'] = { test };
  const { train: listing } = opened;
  if (listing)
    sets.train = await orDispose(test, () => createStream(addon, listing, { ...settings, transform: 'train' }), signal);
  return { dataset, sets, nameOf: (set, index) => names[set]!(index) };
}

/** Makes the second of two sets; without it, or after an abort, the first is let go as well. */
async function orDispose(
  first: NativeDataset,
  make: () => Promise<NativeDataset>,
  signal: AbortSignal | undefined,
): Promise<NativeDataset> {
  let second: NativeDataset | undefined;
  try {
    signal?.throwIfAborted();
    second = await make();
    signal?.throwIfAborted();
    return second;
  } catch (error) {
    second?.dispose();
    first.dispose();
    throw error;
  }
}

export type StreamSettings = Omit<
  Parameters<NativeAddon['createStream']>[0],
  'files' | 'file' | 'offsets' | 'lengths' | 'labels' | 'resize' | 'rank' | 'worldSize'
>;
/** One process so far: it takes every image. */
export function createStream(addon: NativeAddon, listing: ImageListing, settings: StreamSettings) {
  const { files, file, offsets, lengths, labels } = listing;
  const resize = resizeFor(settings.size);
  return addon.createStream({ ...settings, files, file, offsets, lengths, labels, resize, rank: 0, worldSize: 1 });
}
const shared = ({ classes, mean, std }: Pick<Dataset, 'classes' | 'mean' | 'std'>, device: string) => ({
  classes,
  mean,
  std,
  device,
});

/**
 * Frees an array of pixels that the engine has copied, and leaves it empty. The garbage collector would keep it until training had
 * allocated its own memory: a second data set on top of the peak. An array that shares its buffer with others is left alone.
 */
export function releaseImages({ buffer, byteLength }: Uint8Array): void {
  if (buffer.byteLength !== byteLength) return;
  // A message that nobody will receive is the one way that Node 20 has.
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(null, [buffer as ArrayBuffer]);
  port1.close();
}
