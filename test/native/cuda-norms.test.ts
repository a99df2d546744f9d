/** Training on CUDA, where BN layers are kernels of ours, equals training on the CPU. Skips where there is no GPU. */
import type { ModelSpec } from '../../src/native/types/model';
import { floatTensor } from '../parity/lib/tensors';
import { addonWithCuda } from '../support/gpu';
import { floats, smallSpec } from '../support/small-handles';

const addon = addonWithCuda('BN kernels on CUDA');
const onGpu = addon ? test : test.skip;

const IMAGES = 16;
/** Widths that are no multiples of anything. */
const TICKET = [13, 16, 9, 37, 16, 15, 41, 32, 31, 100, 17, 32, 77, 64, 63, 200, 33, 64, 201];

/** One step: loss, gradients, and the state after it. */
async function step(spec: ModelSpec, side: number) {
  const model = await addon!.createModel(spec);
  const options = { momentum: 0.9, weightDecay: 1e-4, l1: 0, precision: 'fp32', seed: 4 } as const;
  const trainer = await addon!.createTrainer(model, options);
  const { labels } = smallSpec(IMAGES);
  const count = IMAGES * 3 * side * side;
  const pixels = Float32Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 23 - 1);
  const images = floatTensor(pixels, [IMAGES, 3, side, side]);
  const result = await trainer.step({ images, labels, lr: 0.01, gradients: true });
  const { state } = await trainer.snapshot();
  for (const handle of [trainer, model]) handle.dispose();
  return { ...result, state };
}

/** Largest deviation, as a fraction of the largest value. */
function deviation(got: Float32Array, want: Float32Array): number {
  const largest = want.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-6);
  return got.reduce((top, value, i) => Math.max(top, Math.abs(value - want[i]!)), 0) / largest;
}

const NETWORKS: [string, Omit<ModelSpec, 'device'>, number][] = [
  ['a PreResNet', { arch: 'resnet', depth: 20, classes: 10, seed: 1 }, 32],
  ['its ticket', { arch: 'resnet', depth: 20, classes: 10, seed: 1, cfg: TICKET }, 32],
  ['ResNet-18', { arch: 'resnet18', depth: 18, classes: 10, seed: 1, imageSize: 64 }, 64],
];

onGpu.each(NETWORKS)('%s', async (_, spec, side) => {
  const cpu = await step({ ...spec, device: 'cpu' }, side);
  const gpu = await step({ ...spec, device: 'cuda' }, side);
  expect(Math.abs(gpu.loss - cpu.loss)).toBeLessThan(1e-4);
  for (const [key, want] of cpu.gradients!)
    expect([key, deviation(floats(gpu.gradients!.get(key)!), floats(want)) < 0.01]).toEqual([key, true]);
  for (const [key, want] of cpu.state) {
    const got = gpu.state.get(key)!;
    if (/running_/.test(key)) expect([key, deviation(floats(got), floats(want)) < 1e-3]).toEqual([key, true]);
    if (/num_batches/.test(key)) expect([key, Buffer.compare(got.data, want.data)]).toEqual([key, 0]);
  }
});
