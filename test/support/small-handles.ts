/** Small handles for tests of the native floor. */
import { loadAddon } from '../../src/native/addon';
import type { NativeAddon } from '../../src/native/types/addon';
import type { DatasetSpec, NativeDataset } from '../../src/native/types/dataset';
import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import type { NativeTrainer, TrainerOptions } from '../../src/native/types/trainer';

export const addon: NativeAddon = loadAddon({ device: 'auto' });

export const SMALL_CFG: ModelSpec['cfg'] = [8, 'M', 12, 'M', 16, 'M', 16, 'M', 10];

export function smallModel(spec: Partial<ModelSpec> = {}): Promise<NativeModel> {
  return addon.createModel({ arch: 'vgg', depth: 11, classes: 10, cfg: SMALL_CFG, seed: 1, device: 'cpu', ...spec });
}

/** `count` images of pseudo-random pixels; labels run through the classes. */
export function smallSpec(count: number, spec: Partial<DatasetSpec> = {}): DatasetSpec {
  return {
    images: new Uint8Array(count * 3072).map((_, i) => Math.imul(i + 1, 2654435761) >>> 24),
    labels: new Int32Array(count).map((_, i) => i % 10),
    height: 32,
    width: 32,
    classes: 10,
    device: 'cpu',
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2023, 0.1994, 0.201],
    padding: 4,
    flip: true,
    filter: { kind: 'none', sigma: 1 },
    threshold: 0,
    ...spec,
  };
}

export function smallDataset(count: number, spec: Partial<DatasetSpec> = {}): Promise<NativeDataset> {
  return addon.createDataset(smallSpec(count, spec));
}

export function smallTrainer(model: NativeModel, options: Partial<TrainerOptions> = {}): Promise<NativeTrainer> {
  return addon.createTrainer(model, {
    momentum: 0.9,
    weightDecay: 1e-4,
    l1: 1e-4,
    precision: 'fp32',
    seed: 1,
    ...options,
  });
}

export function floats(tensor: { data: Uint8Array }): Float32Array {
  return new Float32Array(tensor.data.slice().buffer);
}
