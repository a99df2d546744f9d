/** A folder as a search leaves it while it trains, made up. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochMetrics } from '../../src/run/metrics';
import { epochMetrics, range } from './report-sample';

export const CHANNELS = 64;

export interface RunFolderOptions {
  epochs?: number;
  completed?: number;
  recipe?: Record<string, unknown>;
  dataset?: string;
  change?: (epoch: number) => Partial<EpochMetrics>;
}

/** The mask after `row` epochs, which changes less and less. */
export function maskAfter(row: number): Uint8Array {
  const bits = new Uint8Array(CHANNELS / 8);
  for (let channel = 0; channel < CHANNELS; channel++) {
    if ((channel * 7 + Math.floor(60 / (row + 1))) % 10 < 7) bits[channel >> 3]! |= 0x80 >> (channel & 7);
  }
  return bits;
}

export async function writeRunFolder(
  folder: string,
  { epochs = 12, completed = 6, recipe = {}, dataset = 'cifar10', change = () => ({}) }: RunFolderOptions = {},
): Promise<void> {
  await mkdir(join(folder, 'masks'), { recursive: true });
  const params = {
    command: 'search',
    identity: { epochs },
    recipe: {
      ...{ arch: 'vgg', depth: 16, epochs, ratios: [0.3], detectorWindow: 5, detectorThreshold: 0.1 },
      ...{ detectorRule: 'reference', lr: 0.1, startEpoch: 0, stopAtTicket: false, batchSize: 256 },
      ...recipe,
    },
    ...{ seed: 1, earlybird: '0', node: 'v0', libtorch: '0', device: 'cpu', deviceName: 'x', precision: 'fp32' },
    ...{ threads: 2, gitCommit: null, commandLine: 'earlybird search' },
    dataset: { name: dataset, synthetic: false, train: 5000, test: 1000, fingerprint: 'f' },
  };
  await writeFile(join(folder, 'params.json'), JSON.stringify(params));
  await writeFile(join(folder, 'masks/index.json'), JSON.stringify({ channels: CHANNELS, first: 0, ratios: [0.3] }));
  await goTo(folder, completed, change);
}

/** Metrics and masks as they are after so many epochs. */
export async function goTo(
  folder: string,
  completed: number,
  change: (epoch: number) => Partial<EpochMetrics> = () => ({}),
): Promise<void> {
  const lines = range(completed).map((epoch) => JSON.stringify(epochMetrics(epoch, change(epoch))));
  await writeFile(join(folder, 'masks/30.bits'), Buffer.concat(range(completed + 1).map(maskAfter)));
  await writeFile(join(folder, 'metrics.jsonl'), lines.map((line) => `${line}\n`).join(''));
}
