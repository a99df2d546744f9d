/** The engine and the dataset of a run, opened once and shared by its stages. */
import type { Dataset } from '../data/dataset';
import { type EnergyWish, RunMeter } from '../energy/meter';
import type { BadImage, NativeDataset } from '../native/types/dataset';
import type { RunOptions } from '../run/observer';
import { badImagesLine } from './bad-images';
import { type DataWish, openResident, openStreams } from './datasets';
import { type DeviceWish, type Engine, openEngine } from './device';

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

export type Log = (line: string) => void;

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
