/** Training on a GPU: captured steps equal eager ones, data and masks the CPU's. Skips where there is no GPU. */

import type { FilterSpec } from '../../src/native/types/dataset';
import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import type { MxFormat } from '../../src/native/types/mx';
import type { NumberFormats } from '../../src/native/types/number-formats';
import type { Precision } from '../../src/native/types/pass';
import type { StateDict } from '../../src/tensor';
import { addonWithCuda } from '../support/gpu';
import { smallSpec } from '../support/small-handles';

const addon = addonWithCuda('captured steps');
const onGpu = addon ? test : test.skip;

/** Weights of a model, with numbers of many sizes instead, the same every time. */
async function variedState(model: NativeModel): Promise<StateDict> {
  const state = await model.stateDict();
  let next = 1;
  for (const [key, { data, dtype }] of state)
    if (dtype === 'float32' && key.endsWith('.weight'))
      for (let i = 0; i < data.length; i += 4) {
        next = Math.imul(next, 1664525) + 1013904223;
        new DataView(data.buffer, data.byteOffset).setFloat32(i, next / 2 ** 33, true);
      }
  return state;
}

const EIGHT = { weight: 8, activate: 8, grad: 8, error: 8, momentum: 8, rounding: 'stochastic' } as const;
const inMx = (format: MxFormat): NumberFormats => ({
  ...{ weight: format, activate: format, grad: format, error: format, momentum: -1 },
  ...{ rounding: 'stochastic', scale: 'floor' },
});
const NETWORKS: Omit<ModelSpec, 'device'>[] = [
  { arch: 'vgg', depth: 16, classes: 10, seed: 1 },
  { arch: 'resnet', depth: 20, classes: 10, seed: 1 },
  { arch: 'resnet18', depth: 18, classes: 10, seed: 1, imageSize: 32 },
];

type Spec = Omit<ModelSpec, 'device'> & { filter?: FilterSpec; ticket?: boolean };

/** Two epochs of 23 images in batches of 8, so that the last batch is ragged, and an evaluation after each. */
async function train({ filter, ticket, ...spec }: Spec, precision: Precision, capture: boolean) {
  const dense = await addon!.createModel({ ...spec, device: 'cuda' });
  if (ticket) await dense.loadStateDict(await variedState(dense));
  const mask = ticket ? (await dense.masks([0.5]))[0]!.bits : null;
  const model = mask ? (await dense.prune({ mask, emptyLayers: 'keep-one' })).model : dense;
  const dataset = await addon!.createDataset(smallSpec(23, { device: 'cuda', ...(filter ? { filter } : {}) }));
  const options = { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4, precision, seed: 1, capture };
  const trainer = await addon!.createTrainer(model, options);
  const passes = [];
  for (let epoch = 0; epoch < 2; epoch++) {
    passes.push(await trainer.epoch({ dataset, epoch, lr: 0.05, batchSize: 8 }));
    passes.push(await model.evaluate({ dataset, batchSize: 10, precision, capture }));
  }
  const { state, momentum } = await trainer.snapshot();
  for (const handle of [trainer, model, dense, dataset]) handle.dispose();
  return { state, momentum, passes };
}

const CASES: [string, Precision, Spec][] = [
  ...NETWORKS.flatMap((spec): [string, Precision, Spec][] => [
    [String(spec.arch), 'fp32', spec],
    [String(spec.arch), 'bf16', spec],
  ]),
  ['a ticket of PreResNet', 'bf16', { ...NETWORKS[1]!, ticket: true }],
  ['low precision', 'bf16', { ...NETWORKS[0]!, formats: EIGHT }],
  ['mxfp8-e4m3', 'bf16', { ...NETWORKS[1]!, formats: inMx('mxfp8-e4m3') }],
  ['nvfp4', 'fp32', { ...NETWORKS[0]!, formats: inMx('nvfp4') }],
  [
    'mxint8, in which weights are kept,',
    'bf16',
    { ...NETWORKS[2]!, formats: { ...inMx('mxint8'), roundedWeights: true } },
  ],
  ['images behind a filter', 'fp32', { ...NETWORKS[1]!, filter: { kind: 'lowpass', sigma: 1 } }],
];

onGpu.each(CASES)('%s in %s: captured equals eager, bit by bit', async (_, precision, spec) => {
  const [eager, captured] = [await train(spec, precision, false), await train(spec, precision, true)];
  expect(captured.passes.map(({ captured, whyEager }) => [captured, whyEager])).toEqual(Array(4).fill([true, '']));
  expect(eager.passes.map(({ captured }) => captured)).toEqual(Array(4).fill(false));
  for (const part of ['state', 'momentum'] as const)
    for (const [key, tensor] of eager[part])
      expect([key, Buffer.compare(tensor.data, captured[part].get(key)!.data)]).toEqual([key, 0]);
  const figures = (passes: typeof eager.passes) =>
    passes.map(({ loss, top1, top5, images }) => [loss, top1, top5, images]);
  expect(figures(captured.passes)).toEqual(figures(eager.passes));
});

onGpu('a batch of a GPU is that of the CPU', async () => {
  const indexes = [3, 22, 0, 7, 7];
  const [host, board] = [
    await addon!.createDataset(smallSpec(23)),
    await addon!.createDataset(smallSpec(23, { device: 'cuda' })),
  ];
  for (const epoch of [0, 5]) {
    const [a, b] = [await host.batch(indexes, { seed: 9, epoch }), await board.batch(indexes, { seed: 9, epoch })];
    expect(Buffer.compare(a.images.data, b.images.data)).toBe(0);
  }
});

onGpu('masks of a GPU are those of the CPU', async () => {
  for (const spec of NETWORKS) {
    const [host, board] = [
      await addon!.createModel({ ...spec, device: 'cpu' }),
      await addon!.createModel({ ...spec, device: 'cuda' }),
    ];
    const state = await variedState(host);
    await host.loadStateDict(state);
    await board.loadStateDict(state);
    for (const protective of [false, true])
      expect(await board.masks([0.3, 0.5, 0.7], { protective })).toEqual(
        await host.masks([0.3, 0.5, 0.7], { protective }),
      );
  }
});

onGpu('a ticket gets a graph of its own', async () => {
  const model = await addon!.createModel({ ...NETWORKS[0]!, device: 'cuda' });
  const dataset = await addon!.createDataset(smallSpec(16, { device: 'cuda' }));
  const options = { momentum: 0.9, weightDecay: 0, l1: 0, precision: 'fp32', seed: 1 } as const;
  const dense = await addon!.createTrainer(model, options);
  const first = await dense.epoch({ dataset, epoch: 0, lr: 0.01, batchSize: 8 });
  const [mask] = await model.masks([0.5]);
  const ticket = await model.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
  const trainer = await addon!.createTrainer(ticket.model, options);
  const pass = await trainer.epoch({ dataset, epoch: 1, lr: 0.01, batchSize: 8 });
  expect([first.captured, pass.captured, Number.isFinite(pass.loss)]).toEqual([true, true, true]);
});
