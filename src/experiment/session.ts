/** The engine and the dataset of a run, opened once and shared by its stages. */
import type { Dataset } from '../data/dataset';
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
  dataset: Dataset;
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
  const dataset = await openDataset({ dataset: name, data, limitTrain, limitTest, imageSize, signal });
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
  const train = await engine.addon.createDataset({ ...common, ...pixels(dataset.train), padding: PADDING, flip: true });
  const test = await engine.addon.createDataset({ ...common, ...pixels(dataset.test), padding: 0, flip: false });
  const dispose = () => {
    train.dispose();
    test.dispose();
  };
  return { ...engine, dataset, train, test, dispose };
}

const pixels = ({ images, labels }: Dataset['train']) => ({ images, labels });
