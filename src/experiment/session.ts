/** The engine and the dataset of a run, opened once and shared by its stages. */
import * as os from 'node:os';
import type { Dataset, ImageSet } from '../data/dataset';
import { openImagenet, resizeFor } from '../data/imagenet';
import type { ImageListing } from '../data/listing';
import { openDataset } from '../data/open';
import { requireJpeg } from '../native/jpeg';
import type { BadImage, NativeAddon, NativeDataset } from '../native/types';
import { badImagesLine } from './bad-images';
import { type DeviceWish, type Engine, openEngine } from './device';
import { type EnergyWish, RunMeter } from './energy';
import type { RunOptions } from './observer';

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

type Wish = DeviceWish & DataWish & EnergyWish;

export interface TestSession extends Engine {
  /** What is known of the dataset. Its pixels are with the engine: a second copy here would double the memory of a run. */
  dataset: Omit<Dataset, 'train' | 'test'> & Record<'train' | 'test', { count: number }>;
  test: NativeDataset;
  energy: RunMeter;
  /** One warning for the images of a pass that do not decode; nothing where all do. */
  reportBad(set: 'train' | 'test', bad: readonly BadImage[] | undefined): void;
  dispose(): void;
}

export interface Session extends TestSession {
  train: NativeDataset;
}

/** A dataset with the engine, one set or both. */
interface Opened {
  dataset: TestSession['dataset'];
  sets: { train?: NativeDataset; test: NativeDataset };
  nameOf(set: 'train' | 'test', index: number): string;
}

type Log = (line: string) => void;

/** Zero padding of the random crop, pixels on each side (reference: CIFAR loaders). */
const PADDING = 4;

export async function openSession(wish: Wish, options: RunOptions = {}): Promise<Session> {
  return (await open(wish, options, true)) as Session;
}

/** For evaluation: of ImageNet the training images need not be there. */
export function openTestSession(wish: Wish, options: RunOptions = {}): Promise<TestSession> {
  return open(wish, options, false);
}

async function open(
  wish: Wish,
  { observer, signal }: RunOptions,
  train: boolean,
): Promise<TestSession & { train?: NativeDataset }> {
  const log = (line: string) => observer?.log?.(line);
  const engine = openEngine(wish, log);
  const openData = wish.dataset === 'imagenet' ? openStreams : openResident;
  const energy = await RunMeter.open(engine, wish, signal);
  const load = () => openData(engine, wish, train, log, signal);
  const { dataset, sets, nameOf } = await energy.metered('load', load).catch((error) => {
    energy.dispose();
    throw error;
  });
  const reportBad: Session['reportBad'] = (set, bad) => {
    if (bad && bad.length > 0) log(badImagesLine(set, bad, (index) => nameOf(set, index)));
  };
  const dispose = () => {
    sets.train?.dispose();
    sets.test.dispose();
    energy.dispose();
  };
  return { ...engine, dataset, ...sets, energy, reportBad, dispose };
}

/** All images in the memory of the device. */
async function openResident(
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
async function openStreams(
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
