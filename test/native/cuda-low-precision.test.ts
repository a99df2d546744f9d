/** The CUDA kernels of low precision give the bits of the CPU's. Skips where there is no GPU. */

import type { ModelSpec } from '../../src/native/types/model';
import type { MxFormat, MxOptions } from '../../src/native/types/mx';
import type { BlockQuantizeOptions, NumberFormats } from '../../src/native/types/number-formats';
import { floatTensor } from '../parity/lib/tensors';
import { addonWithCuda } from '../support/gpu';
import { smallSpec } from '../support/small-handles';

const addon = addonWithCuda('CUDA kernels of low precision');
const onGpu = addon ? test : test.skip;

/** Values of many magnitudes, the same in every run. */
function values(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const bits = Math.imul(i + 1, 2654435761) >>> 0;
    return ((bits >>> 8) / 2 ** 23 - 1) * 2 ** ((bits % 23) - 11);
  });
}

const SHAPES = [
  ...[1, 31, 32, 33, 505, 2047, 8190, 32752, 32753].map((inner) => [3, inner]),
  [7],
  [2, 5, 4, 6],
  [0, 4],
  [40, 65536],
];
const DIMS = [-1, 0, 1];

onGpu.each(SHAPES.map((shape) => [shape.join(' x '), shape] as const))('a tensor of %s', async (_, shape) => {
  const tensor = floatTensor(values(shape.reduce((a, b) => a * b, 1)), shape);
  for (const dim of DIMS.filter((d) => d < shape.length))
    for (const rounding of ['nearest', 'stochastic'] as const)
      for (const flavour of ['qtorch', 'swalp'] as const)
        for (const bits of [2, 6, 8, 16]) {
          const options: Omit<BlockQuantizeOptions, 'device'> = {
            bits,
            dim,
            rounding,
            flavour,
            seed: 5,
            epoch: 3,
            step: 9,
          };
          const onCpu = await addon!.blockQuantize(tensor, { ...options, device: 'cpu' });
          const there = await addon!.blockQuantize(tensor, { ...options, device: 'cuda' });
          expect([options, Buffer.compare(there.data, onCpu.data)]).toEqual([options, 0]);
        }
});

/** Any bits: infinities and NaN among them. */
const anyBits = (count: number) =>
  new Float32Array(Uint32Array.from({ length: count }, (_, i) => Math.imul(i + 1, 2654435761)).buffer);

const MX_FORMATS: MxFormat[] = ['mxint8', 'mxfp8-e4m3', 'mxfp8-e5m2', 'mxfp6-e2m3', 'mxfp6-e3m2', 'mxfp4', 'nvfp4'];
const MX_SHAPES = [[7], [64, 96], [3, 2100], [35, 300], [300, 2], [2, 12, 4, 6], [0, 4], [40, 4097]];

onGpu.each(MX_FORMATS)('a tensor in %s', async (format) => {
  for (const shape of MX_SHAPES)
    for (const made of [values, anyBits]) {
      const tensor = floatTensor(made(shape.reduce((a, b) => a * b, 1)), shape);
      for (const dim of [0, 1].filter((d) => d < shape.length))
        for (const scale of ['floor', 'rceil', 'even'] as const)
          for (const rounding of ['even', 'away', 'stochastic'] as const) {
            const options: MxOptions = { format, scale, rounding, dim, seed: 5, epoch: 3, step: 9 };
            const onCpu = await addon!.mxQuantize(tensor, options);
            const there = await addon!.mxQuantize(tensor, { ...options, device: 'cuda' });
            expect([options, shape, Buffer.compare(there.values.data, onCpu.values.data)]).toEqual([options, shape, 0]);
          }
    }
});

/** Makes one step from gradients that both devices have exactly: they are all zero, so that weights decay and round. */
onGpu.each(['qtorch', 'swalp'] as const)('an optimiser step on equal gradients (%s)', async (flavour) => {
  const formats: NumberFormats = {
    weight: 8,
    grad: 8,
    momentum: 8,
    activate: -1,
    error: -1,
    rounding: 'stochastic',
    flavour,
  };
  const outcome = async (device: string) => {
    const spec: ModelSpec = { arch: 'resnet', depth: 20, classes: 10, seed: 1, device, formats };
    const model = await addon!.createModel(spec);
    // A classifier of zeros sends no gradient back, and labels in equal numbers send none to most of the rest.
    const state = await model.stateDict();
    for (const key of ['fc.weight', 'fc.bias']) state.get(key)!.data.fill(0);
    await model.loadStateDict(state);
    const options = { momentum: 0.9, weightDecay: 0.01, l1: 1e-3, precision: 'fp32', seed: 4 } as const;
    const trainer = await addon!.createTrainer(model, options);
    const { images, labels } = smallSpec(20);
    const pixels = Float32Array.from(images, (pixel) => (pixel - 128) / 64);
    const input = floatTensor(pixels, [20, 3, 32, 32]);
    await trainer.step({ images: input, labels, lr: 0.1 });
    const { state: after, momentum } = await trainer.snapshot();
    for (const handle of [trainer, model]) handle.dispose();
    return { after, momentum };
  };
  const [cpu, gpu] = [await outcome('cpu'), await outcome('cuda')];
  for (const part of ['after', 'momentum'] as const)
    for (const [key, { data }] of cpu[part])
      if (!/^fc|running_/.test(key))
        expect([part, key, Buffer.compare(gpu[part].get(key)!.data, data)]).toEqual([part, key, 0]);
});
