/** Folders of searches with masks and metrics that nothing has trained. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { RunDirectory } from '../../../src/run/directory';
import { channelsOf } from '../../../src/ticket/detectors/detector';
import { metrics } from '../../support/metrics';

/** Mask of 10 channels that keeps these. */
export function keeping(...channels: number[]): Uint8Array {
  const mask = new Uint8Array(2);
  for (const channel of channels) mask[channel >> 3]! |= 0x80 >> (channel & 7);
  return mask;
}

export const LAYERS = [4, 6];

interface Stored {
  masks: Uint8Array[];
  ratio?: number;
  /** Losses from epoch 0 on. */
  losses?: number[];
  top1?: number[];
  lr?: (epoch: number) => number;
  layers?: number[] | undefined;
  channels?: number;
  first?: number;
  epochs?: number;
  finished?: boolean;
  seed?: number;
}

export async function store(folder: string, stored: Stored): Promise<string> {
  const { masks, ratio = 0.5, losses = [], top1 = [], lr = () => 0.1, first = 0, finished = true, seed = 1 } = stored;
  const layers = 'layers' in stored ? stored.layers : LAYERS;
  const channels = stored.channels ?? channelsOf(layers ?? LAYERS);
  mkdirSync(join(folder, 'masks'), { recursive: true });
  const directory = RunDirectory.at(folder);
  await directory.writeMaskIndex({ channels, first, ratios: [ratio], ...(layers ? { layers } : {}) });
  for (const [i, mask] of masks.entries()) await directory.writeMask(ratio, first + i, mask);
  const recipe = { arch: 'vgg', depth: 11, epochs: stored.epochs ?? masks.length - 1 };
  await directory.writeJson('params.json', { recipe, seed, dataset: { train: 100 } });
  await directory.writeMetrics(
    losses.map((loss, epoch) => ({ ...metrics(epoch, loss, 50, top1[epoch] ?? 50), lr: lr(epoch) })),
  );
  if (finished) await directory.writeJson('result.json', { flops: 1000 });
  return folder;
}
