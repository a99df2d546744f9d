/** The engine and the dataset of a run, opened once and shared by its stages. */
import { type EnergyOptions, RunMeter } from '../energy/meter';
import { disposing, orDispose } from '../native/owned';
import type { BadImage, NativeDataset } from '../native/types/dataset';
import type { KernelTable } from '../native/types/kernels';
import { leading } from '../ranks/leader';
import type { Facts } from '../ranks/ranks';
import type { RunOptions } from '../run/observer';
import { badImagesLine } from './bad-images';
import { type DataOptions, type OpenedData, openResident, openStreams } from './datasets';
import { type DeviceOptions, type Engine, openEngine } from './device';

export type SessionOptions = DeviceOptions & DataOptions & EnergyOptions;

export interface TestSession extends Engine, Disposable {
  /** Facts of the dataset. The engine holds its pixels, as a second copy here would double the memory of a run. */
  dataset: OpenedData['dataset'];
  test: NativeDataset;
  energy: RunMeter;
  /** Kernels of earlier stages in this session, or of the run that it continues. */
  kernels: KernelTable;
  /** Logs one warning for the images of a pass that do not decode, if any. */
  reportBad(set: 'train' | 'test', bad: readonly BadImage[] | undefined): void;
}

export interface Session extends TestSession {
  train: NativeDataset;
}

export async function openSession(settings: SessionOptions, options: RunOptions = {}): Promise<Session> {
  return (await open(settings, options, true)) as Session;
}

/** Opens a session for evaluation, in which the training images of ImageNet may be absent. */
export function openTestSession(settings: SessionOptions, options: RunOptions = {}): Promise<TestSession> {
  return open(settings, options, false);
}

async function open(
  settings: SessionOptions,
  { observer, signal, ranks }: RunOptions,
  train: boolean,
): Promise<TestSession & { train?: NativeDataset }> {
  const log = (line: string) => observer?.log?.(line);
  const place = ranks?.place;
  const own = openEngine({ ...settings, place }, log);
  const names = new Map<NativeDataset, string>();
  const engine = ranks?.leads ? { ...own, addon: leading(own.addon, ranks, names) } : own;
  const openData = settings.dataset === 'imagenet' ? openStreams : openResident;
  // Rank 0 meters the other ranks as well.
  const energy = ranks && !ranks.leads ? RunMeter.off() : await RunMeter.open(engine, settings, signal);
  const load = () => energy.metered('load', () => openData(engine, settings, { train, log, signal, place }));
  const told = ranks?.leads ? ranks.tell({ do: 'open', settings, train }) : null;
  const { dataset, sets, nameOf } = await orDispose(energy, load);
  await orDispose(disposing([energy, ...Object.values(sets)]), async () => {
    await told;
    if (ranks?.leads) await ranks.compareAnswers(factsOf(dataset));
  });
  for (const [name, set] of Object.entries(sets)) names.set(set, name);
  return {
    ...engine,
    dataset,
    ...sets,
    energy,
    kernels: {},
    reportBad(set, bad = []) {
      if (bad.length > 0) log(badImagesLine(set, bad, (index) => nameOf(set, index)));
    },
    [Symbol.dispose]() {
      sets.train?.[Symbol.dispose]();
      sets.test[Symbol.dispose]();
      energy[Symbol.dispose]();
    },
  };
}

/** Opens the training images alone, all of them in this process. */
export async function openTrainingImages(
  engine: Engine,
  settings: DataOptions,
  { observer, signal }: RunOptions = {},
): Promise<NativeDataset> {
  const openData = settings.dataset === 'imagenet' ? openStreams : openResident;
  const log = (line: string) => observer?.log?.(line);
  const { sets } = await openData(engine, settings, { train: true, log, signal });
  sets.test[Symbol.dispose]();
  return sets.train!;
}

/** Facts of the dataset that must be equal on all ranks. */
export const factsOf = ({ fingerprint, classes, train, test }: OpenedData['dataset']): Facts => ({
  'training images': String(train.count),
  'test images': String(test.count),
  classes: String(classes),
  'images with the fingerprint': fingerprint,
});
