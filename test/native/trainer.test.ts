/** The training step: determinism, resume, and the arithmetic of one update against a plain twin. */
import type { ModelSpec } from '../../src/native/types/model';
import type { EpochPosition, PassResult } from '../../src/native/types/pass';
import type { NativeTrainer } from '../../src/native/types/trainer';
import type { StateDict } from '../../src/tensor';
import { addon, floats, smallDataset, smallModel, smallSpec, smallTrainer } from '../support/small-handles';

async function weights(trainer: NativeTrainer): Promise<Buffer> {
  const { state, momentum } = await trainer.snapshot();
  return Buffer.concat([...state.values(), ...momentum.values()].map((tensor) => tensor.data));
}

test('the same seed gives the same bits, another seed others', async () => {
  const run = async (seed: number) => {
    const model = await smallModel();
    const trainer = await smallTrainer(model, { seed });
    const dataset = await smallDataset(70);
    for (let epoch = 0; epoch < 2; epoch++) await trainer.epoch({ dataset, epoch, lr: 0.05, batchSize: 32 });
    const out = await weights(trainer);
    for (const handle of [model, trainer, dataset]) handle.dispose();
    return out;
  };
  const first = await run(1);
  expect((await run(1)).equals(first)).toBe(true);
  expect((await run(2)).equals(first)).toBe(false);
});

test('a trainer restored from a snapshot continues to the same bits', async () => {
  const dataset = await smallDataset(70);
  const model = await smallModel();
  const trainer = await smallTrainer(model);
  await trainer.epoch({ dataset, epoch: 0, lr: 0.05, batchSize: 32 });
  const { state, momentum } = await trainer.snapshot();
  await trainer.epoch({ dataset, epoch: 1, lr: 0.05, batchSize: 32 });

  const again = await smallModel({ seed: 77 });
  await again.loadStateDict(state);
  const resumed = await smallTrainer(again);
  await resumed.restoreMomentum(momentum);
  await resumed.epoch({ dataset, epoch: 1, lr: 0.05, batchSize: 32 });
  expect((await weights(resumed)).equals(await weights(trainer))).toBe(true);
  for (const handle of [model, again, trainer, resumed, dataset]) handle.dispose();
});

const LOW_FORMATS = { weight: 8, activate: 8, grad: 8, error: 8, momentum: 8, rounding: 'stochastic' } as const;
const settled = ({ seconds, waited, captured, whyEager, ...rest }: PassResult) => rest;

test.each<[string, Partial<ModelSpec>]>([
  ['full precision', {}],
  ['low precision', { formats: LOW_FORMATS }],
])('an epoch in parts, each by another trainer, gives the bits of a whole one: %s', async (_name, spec) => {
  const dataset = await smallDataset(70);
  const epoch = { dataset, epoch: 1, lr: 0.05, batchSize: 16 };
  const model = await smallModel(spec);
  const trainer = await smallTrainer(model);
  const whole = await trainer.epoch(epoch);
  expect(whole).toMatchObject({ images: 70, steps: 5 });

  let state: StateDict | undefined;
  let momentum: StateDict | undefined;
  let from: EpochPosition | undefined;
  let last: PassResult | undefined;
  for (const steps of [1, 2, 1, 9]) {
    const part = await smallModel(spec);
    const next = await smallTrainer(part);
    if (state && momentum) {
      await part.loadStateDict(state);
      await next.restoreMomentum(momentum);
    }
    last = await next.epoch({ ...epoch, steps, ...(from ? { from } : {}) });
    // The position goes through JSON, as in a checkpoint.
    from = JSON.parse(JSON.stringify(await next.position())) as EpochPosition;
    ({ state, momentum } = await next.snapshot());
    for (const handle of [next, part]) handle.dispose();
  }
  expect(from).toMatchObject({ batches: 5, steps: 5, images: 70 });
  expect(settled(last!)).toEqual(settled(whole));
  expect(last!.seconds).toBeCloseTo(from!.seconds, 2);
  const { state: wanted, momentum: speed } = await trainer.snapshot();
  expect([state, momentum]).toEqual([wanted, speed]);
  // Behind the last step, where an evaluation may have been stopped, nothing is left to do.
  expect(settled(await trainer.epoch({ ...epoch, from: from! }))).toEqual(settled(whole));
  expect(await trainer.snapshot()).toEqual({ state: wanted, momentum: speed });
  for (const handle of [model, trainer, dataset]) handle.dispose();
});

test('an aborted epoch says where it stands, and goes on there', async () => {
  const { threads } = addon.runtime();
  addon.setThreads(1);
  // The set is large enough that the first progress is reported, and the signal seen, while it runs: a second or more
  // on a fast processor.
  const dataset = await smallDataset(6000);
  const epoch = { dataset, epoch: 0, lr: 0.05, batchSize: 5 };
  const [model, other] = await Promise.all([smallModel(), smallModel()]);
  const [trainer, whole] = await Promise.all([smallTrainer(model), smallTrainer(other)]);
  const stop = new AbortController();
  const aborted = trainer.epoch({ ...epoch, signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) });
  await expect(aborted).rejects.toThrow('enough');
  const from = await trainer.position();
  expect(from.steps).toBeGreaterThan(0);
  expect(from).toMatchObject({ batches: from.steps, images: 5 * from.steps, bad: [] });
  const shown: number[] = [];
  const result = await trainer.epoch({ ...epoch, from, onProgress: ({ step, steps }) => shown.push(step, steps) });
  expect(settled(result)).toEqual(settled(await whole.epoch(epoch)));
  expect((await weights(trainer)).equals(await weights(whole))).toBe(true);
  expect(shown.slice(-2)).toEqual([1200, 1200]);
  addon.setThreads(threads);
  for (const handle of [trainer, whole, model, other, dataset]) handle.dispose();
});

test.each([['a text'], [7], [null], [new Error('an error')]])(
  'an epoch rejects with what its listener throws: %p',
  async (thrown) => {
    const dataset = await smallDataset(20);
    const model = await smallModel();
    const trainer = await smallTrainer(model);
    const onProgress = () => {
      throw thrown;
    };
    await expect(trainer.epoch({ dataset, epoch: 0, lr: 0.05, batchSize: 20, onProgress })).rejects.toBe(thrown);
    for (const handle of [trainer, model, dataset]) handle.dispose();
  },
);

test('a position that no epoch of this data set has is refused', async () => {
  const dataset = await smallDataset(70);
  const model = await smallModel();
  const trainer = await smallTrainer(model);
  const from = { batches: 6, steps: 6, images: 70, sums: [1, 2, 3, 4, 5, 6], seconds: 1, waited: 0, bad: [] };
  const epoch = { dataset, epoch: 0, lr: 0.05, batchSize: 16 };
  const before = await weights(trainer);
  for (const change of [{}, { batches: -1 }, { batches: 2, sums: [1] }]) {
    await expect(trainer.epoch({ ...epoch, from: { ...from, ...change } })).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT',
    });
  }
  expect((await weights(trainer)).equals(before)).toBe(true);
  for (const handle of [trainer, model, dataset]) handle.dispose();
});

test('one update is: gradient + s*sign(gamma) + wd*w into momentum, then w -= lr*m', async () => {
  const [lr, factor, wd, l1] = [0.1, 0.9, 0.01, 0.02];
  const model = await smallModel();
  const trainer = await smallTrainer(model, { momentum: factor, weightDecay: wd, l1 });
  const dataset = await smallDataset(16);
  const { images, labels } = await dataset.batch(
    Array.from({ length: 16 }, (_, i) => i),
    { seed: 1, epoch: 0 },
  );
  const norms = new Set(model.describe().batchNorms.map((norm) => `${norm.key}.weight`));
  for (let step = 0; step < 2; step++) {
    const before = await trainer.snapshot();
    const { gradients } = await trainer.step({ images, labels, lr, gradients: true });
    const after = await trainer.snapshot();
    for (const key of model.describe().parameters) {
      const [w, m, g] = [before.state.get(key)!, before.momentum.get(key)!, gradients!.get(key)!].map(floats) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const [newW, newM] = [floats(after.state.get(key)!), floats(after.momentum.get(key)!)];
      for (let i = 0; i < w.length; i++) {
        const buffer = factor * m[i]! + g[i]! + (norms.has(key) ? l1 * Math.sign(w[i]!) : 0) + wd * w[i]!;
        expect(Math.abs(newM[i]! - buffer)).toBeLessThan(1e-6 + 1e-5 * Math.abs(buffer));
        expect(Math.abs(newW[i]! - (w[i]! - lr * buffer))).toBeLessThan(1e-6);
      }
    }
  }
  for (const handle of [model, trainer, dataset]) handle.dispose();
});

test('an epoch sees every image once, ragged last batch included, and counts exactly', async () => {
  const model = await smallModel();
  const dataset = await smallDataset(70, { padding: 0, flip: false });
  const result = await model.evaluate({ dataset, batchSize: 32, precision: 'fp32' });
  expect([result.images, result.steps]).toEqual([70, 3]);
  const { images, labels } = await dataset.batch(
    Array.from({ length: 70 }, (_, i) => i),
    { seed: 1, epoch: 0 },
  );
  const logits = floats(await model.forward(images));
  const right = [...labels].map((label, i) => {
    const row = [...logits.subarray(i * 10, i * 10 + 10)];
    return row.indexOf(Math.max(...row)) === label ? 1 : 0;
  });
  const share = (from: number, to: number) =>
    (100 * right.slice(from, to).reduce((a, b) => a + b, 0 as number)) / (to - from);
  expect(result.top1).toBeCloseTo(share(0, 70), 10);
  expect(result.top1BatchMean).toBeCloseTo((share(0, 32) + share(32, 64) + share(64, 70)) / 3, 10);
  model.dispose();
  dataset.dispose();
});

test('bf16 trains too, and a loss that is no number is an error', async () => {
  const dataset = await smallDataset(64);
  const model = await smallModel();
  const trainer = await smallTrainer(model, { precision: 'bf16' });
  const { loss } = await trainer.epoch({ dataset, epoch: 0, lr: 0.05, batchSize: 32 });
  expect(loss).toBeGreaterThan(1);
  await expect(trainer.epoch({ dataset, epoch: 1, lr: 1e30, batchSize: 8 })).rejects.toMatchObject({
    code: 'ERR_NUMERIC',
  });
  for (const handle of [model, trainer, dataset]) handle.dispose();
});

test('a dataset and a model that do not fit are refused before the first step', async () => {
  const model = await smallModel({ classes: 5 });
  const trainer = await smallTrainer(model);
  const dataset = await smallDataset(10);
  await expect(trainer.epoch({ dataset, epoch: 0, lr: 0.1, batchSize: 5 })).rejects.toMatchObject({
    code: 'ERR_SHAPE',
  });
  const fitting = await smallModel();
  await expect(fitting.evaluate({ dataset, batchSize: 0, precision: 'fp32' })).rejects.toMatchObject({
    code: 'ERR_USAGE',
  });
  await expect(dataset.drain({ seed: 1, epoch: 0, batchSize: 0 })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  const tall = await addon.createDataset({ ...smallSpec(10), height: 64, width: 16 });
  await expect(model.evaluate({ dataset: tall, batchSize: 5, precision: 'fp32' })).rejects.toMatchObject({
    code: 'ERR_SHAPE',
  });
  for (const handle of [model, trainer, fitting, dataset, tall]) handle.dispose();
});

test('a step takes one label of the classes for each image, and momentum that does not fit changes nothing', async () => {
  const model = await smallModel();
  const trainer = await smallTrainer(model);
  const dataset = await smallDataset(4);
  const { images } = await dataset.batch([0, 1, 2, 3], { seed: 1, epoch: 0 });
  const before = await trainer.snapshot();
  for (const [labels, code] of [
    [[1, 2, 3], 'ERR_SHAPE'],
    [[1, 2, 3, 4, 5], 'ERR_SHAPE'],
    [[], 'ERR_SHAPE'],
    [[0, 1, 2, 10], 'ERR_DATASET'],
    [[0, 1, 2, -100], 'ERR_DATASET'],
  ] as const)
    await expect(trainer.step({ images, labels: Int32Array.from(labels), lr: 0.1 })).rejects.toMatchObject({ code });
  const ones = new Map(
    [...before.momentum].map(([key, tensor]) => [
      key,
      { ...tensor, data: new Uint8Array(Float32Array.from(floats(tensor), () => 1).buffer) },
    ]),
  );
  const unknown = new Map([...ones, ['elsewhere.weight', ones.values().next().value!]]);
  await expect(trainer.restoreMomentum(unknown)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
  expect(await trainer.snapshot()).toEqual(before);
  for (const handle of [trainer, model, dataset]) handle.dispose();
});

test('a tensor whose data is made anew by each read is read once', async () => {
  const model = await smallModel();
  const state = await model.stateDict();
  let reads = 0;
  const lazy = new Map(
    [...state].map(([key, { dtype, shape, data }]) => [
      key,
      {
        dtype,
        shape,
        get data() {
          reads++;
          return data.slice();
        },
      },
    ]),
  );
  await model.loadStateDict(lazy);
  expect(reads).toBe(state.size);
  model.dispose();
});

// A rank that has no image of a step computes it with none, so that it takes part in all sums.
test.each([
  ['vgg', 11, 32, 'fp32'],
  ['vgg', 11, 32, 'bf16'],
  ['resnet', 20, 32, 'fp32'],
  ['resnet18', 18, 64, 'bf16'],
  ['resnet50_official', 50, 64, 'fp32'],
] as const)(
  'a step of %s-%d without images has zero gradients and moves no statistics (%d pixels, %s)',
  async (arch, depth, side, precision) => {
    const model = await addon.createModel({ arch, depth, classes: 10, seed: 1, device: 'cpu', imageSize: side });
    const trainer = await smallTrainer(model, { precision, l1: 0, weightDecay: 0 });
    const before = await model.stateDict();
    const images = { dtype: 'float32' as const, shape: [0, 3, side, side], data: new Uint8Array(0) };
    const result = await trainer.step({ images, labels: new Int32Array(0), lr: 0.1, gradients: true });
    expect([result.loss, result.correct]).toEqual([0, 0]);
    for (const gradient of result.gradients!.values())
      expect(floats(gradient).every((value) => value === 0)).toBe(true);
    for (const [key, value] of await model.stateDict())
      if (!key.endsWith('num_batches_tracked')) expect(Buffer.compare(value.data, before.get(key)!.data)).toBe(0);
    for (const handle of [trainer, model]) handle.dispose();
  },
);
