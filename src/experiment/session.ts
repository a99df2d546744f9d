/** The engine and the dataset of a run, opened once and shared by its stages. */
import type { Dataset, ImageSet } from '../data/dataset';
import { openDataset } from '../data/open';
import type { NativeDataset } from '../native/types';
import { type DeviceWish, type Engine, openEngine } from './device';
import type { RunOptions } from './observer';

export interface DataWish {
  dataset: string;
  data?: string | undefined;
  limitTrain?: number | undefined;
  limitTest?: number | undefined;
  imageSize?: number | undefined;
  filter: 'none' | 'lowpass' | 'highpass';
  sigma: number;
  sparsityGt: number;
}

export interface Session extends Engine {
  /** What is known of the dataset. Its pixels are with the engine: a second copy here would double the memory of a run. */
  dataset: Omit<Dataset, 'train' | 'test'> & Record<'train' | 'test', { count: number }>;
  train: NativeDataset;
  test: NativeDataset;
  dispose(): void;
}

/** Zero padding of the random crop, pixels on each side (reference: CIFAR loaders). */
const PADDING = 4;

export async function openSession(
  wish: DeviceWish & DataWish,
  { observer, signal }: RunOptions = {},
): Promise<Session> {
  const log = (line: string) => observer?.log?.(line);
  const engine = openEngine(wish, log);
  const { dataset: name, data, limitTrain, limitTest, imageSize } = wish;
  const opened = await openDataset({ dataset: name, data, limitTrain, limitTest, imageSize, signal });
  const dataset = { ...opened, train: { count: opened.train.count }, test: { count: opened.test.count } };
  const common = {
    height: dataset.height,
    width: dataset.width,
    classes: dataset.classes,
    mean: dataset.mean,
    std: dataset.std,
    device: engine.device,
    filter: { kind: wish.filter, sigma: wish.sigma },
    threshold: wish.sparsityGt,
  };
  const resident = async ({ images, labels }: ImageSet, augmentation: { padding: number; flip: boolean }) => {
    const set = await engine.addon.createDataset({ ...common, ...augmentation, images, labels });
    releaseImages(images);
    return set;
  };
  const train = await resident(opened.train, { padding: PADDING, flip: true });
  const test = await resident(opened.test, { padding: 0, flip: false });
  const dispose = () => {
    train.dispose();
    test.dispose();
  };
  return { ...engine, dataset, train, test, dispose };
}

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
