/** Low-precision layers and training through the addon: which values are rounded, and that nothing else changes. */

import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import type { NumberFormats } from '../../src/native/types/number-formats';
import type { NativeTrainer, TrainerOptions } from '../../src/native/types/trainer';
import type { StateDict } from '../../src/tensor';
import { lowPrecisionStep } from '../parity/lib/low-precision-step';
import { addon, floats, smallDataset, smallModel, smallTrainer } from '../support/small-handles';

const EIGHT: NumberFormats = { weight: 8, activate: 8, grad: 8, error: 8, momentum: 8, rounding: 'stochastic' };
const FULL: NumberFormats = { weight: -1, activate: -1, grad: -1, error: -1, momentum: -1, rounding: 'stochastic' };
/** Widths at which our own convolutions are used. */
const WIDE_CFG: ModelSpec['cfg'] = [32, 'M', 40, 'M', 33, 'M', 16, 'M', 48, 48];

/** An eighth of the published widths: the stem, and three entries a block. */
function narrowResNet50(): number[] {
  const cfg = [8];
  [3, 4, 6, 3].forEach((blocks, stage) => {
    for (let block = 0; block < blocks; block++) {
      const planes = 8 << stage;
      cfg.push(block > 0 ? 4 * planes : stage > 0 ? 2 * planes : 8, planes, planes);
    }
  });
  return cfg;
}

const NETWORKS: Record<string, Partial<ModelSpec>> = {
  VGG: { cfg: WIDE_CFG },
  PreResNet: { arch: 'resnet', depth: 20, cfg: undefined },
  'ResNet-18': { arch: 'resnet18', depth: 18, cfg: undefined, imageSize: 32 },
  'ResNet-50': { arch: 'resnet50_prune', depth: 50, cfg: narrowResNet50(), imageSize: 32 },
};

const bytesOf = (state: StateDict) => Buffer.concat([...state.values()].map(({ data }) => data));

async function bits(trainer: NativeTrainer): Promise<Buffer> {
  const { state, momentum } = await trainer.snapshot();
  return Buffer.concat([bytesOf(state), bytesOf(momentum)]);
}

/** Weights and momentum after `epochs` of three batches each, the last one ragged. */
async function trained(
  spec: Partial<ModelSpec>,
  { epochs = 2, ...options }: Partial<TrainerOptions> & { epochs?: number } = {},
) {
  const model = await smallModel(spec);
  const trainer = await smallTrainer(model, options);
  const dataset = await smallDataset(40);
  for (let epoch = 0; epoch < epochs; epoch++) await trainer.epoch({ dataset, epoch, lr: 0.05, batchSize: 16 });
  const out = { bits: await bits(trainer), ...(await trainer.snapshot()) };
  for (const handle of [model, trainer, dataset]) handle.dispose();
  return out;
}

/** Blocks of one exponent each: rows of a tensor of several dimensions, else single values. */
function* blocks(tensor: { shape: number[]; data: Uint8Array }): Iterable<Float32Array> {
  const values = floats(tensor);
  const size = tensor.shape.length > 1 ? values.length / tensor.shape[0]! : 1;
  for (let at = 0; at < values.length; at += size) yield values.subarray(at, at + size);
}

// Bound here: a look-up of a global is slow in jest's own realm.
const { abs, floor, log2 } = Math;

function isOnGrid(block: Float32Array, wordLength: number): boolean {
  let largest = 0;
  for (const value of block) if (abs(value) > largest) largest = abs(value);
  if (largest === 0) return true;
  const step = 2 ** (floor(log2(largest)) + 2 - wordLength);
  for (const value of block) {
    const steps = value / step;
    if (floor(steps) !== steps || abs(steps) >= 2 ** (wordLength - 1)) return false;
  }
  return true;
}

/** bfloat16 keeps the upper half of a float32. */
function isBfloat16(block: Float32Array): boolean {
  for (const pattern of new Uint32Array(block.slice().buffer)) if ((pattern & 0xffff) !== 0) return false;
  return true;
}

describe.each(Object.entries(NETWORKS))('%s', (_, spec) => {
  test('word lengths of -1 are full precision, bit for bit', async () => {
    for (const precision of ['fp32', 'bf16'] as const) {
      const plain = await trained(spec, { precision, epochs: 1 });
      const same = await trained({ ...spec, formats: FULL }, { precision, epochs: 1 });
      expect(same.bits.equals(plain.bits)).toBe(true);
    }
  });

  test('after training, weights and momentum are on the grid, and exact in bfloat16', async () => {
    for (const precision of ['fp32', 'bf16'] as const) {
      const formats = { ...EIGHT, weight: 9, momentum: 6 };
      const { state, momentum } = await trained({ ...spec, formats }, { precision, epochs: 1 });
      for (const [key, tensor] of momentum) {
        for (const block of blocks(state.get(key)!)) {
          if (!isOnGrid(block, 9) || !isBfloat16(block)) throw new Error(`${key} is not on its grid`);
        }
        for (const block of blocks(tensor)) {
          if (!isOnGrid(block, 6)) throw new Error(`momentum of ${key} is not on its grid`);
        }
      }
    }
  });

  test('outputs and errors are rounded, each by its own word length', async () => {
    const rounded = async (formats: Partial<NumberFormats>) =>
      (await trained({ ...spec, formats: { ...FULL, ...formats } }, { epochs: 1 })).bits;
    const plain = await rounded({});
    expect((await rounded({ activate: 8 })).equals(plain)).toBe(false);
    expect((await rounded({ error: 8 })).equals(plain)).toBe(false);
  });
});

// This holds for the forward pass only: LibTorch's sums over a batch, in backward, depend on the number of threads.
test('layers round the same way at any number of threads', async () => {
  const { threads } = addon.runtime();
  const model = await smallModel({ cfg: WIDE_CFG, formats: EIGHT });
  const dataset = await smallDataset(40);
  const results: Buffer[] = [];
  try {
    for (const count of [1, 2, 3]) {
      addon.setThreads(count);
      const { images } = await dataset.batch([...Array(40).keys()], { seed: 1, epoch: 0 });
      results.push(Buffer.from((await model.forward(images)).data));
    }
  } finally {
    addon.setThreads(threads);
  }
  expect(results[1]!.equals(results[0]!)).toBe(true);
  expect(results[2]!.equals(results[0]!)).toBe(true);
  for (const handle of [model, dataset]) handle.dispose();
});

test('another seed rounds another way, and so does another epoch', async () => {
  const dataset = await smallDataset(16, { padding: 0, flip: false });
  const after = async (seed: number, epoch: number) => {
    const model = await smallModel({ formats: EIGHT });
    const trainer = await smallTrainer(model, { seed });
    await trainer.epoch({ dataset, epoch, lr: 0.05, batchSize: 16 });
    const out = await bits(trainer);
    for (const handle of [model, trainer]) handle.dispose();
    return out;
  };
  const first = await after(1, 0);
  expect((await after(1, 0)).equals(first)).toBe(true);
  expect((await after(1, 1)).equals(first)).toBe(false);
  expect((await after(2, 0)).equals(first)).toBe(false);
  dataset.dispose();
});

test('a trainer restored from a snapshot rounds as the uninterrupted one', async () => {
  const dataset = await smallDataset(70);
  const model = await smallModel({ formats: EIGHT });
  const trainer = await smallTrainer(model);
  await trainer.epoch({ dataset, epoch: 0, lr: 0.05, batchSize: 32 });
  const { state, momentum } = await trainer.snapshot();
  await trainer.epoch({ dataset, epoch: 1, lr: 0.05, batchSize: 32 });

  const again = await smallModel({ seed: 77, formats: EIGHT });
  await again.loadStateDict(state);
  const resumed = await smallTrainer(again);
  await resumed.restoreMomentum(momentum);
  await resumed.epoch({ dataset, epoch: 1, lr: 0.05, batchSize: 32 });
  expect((await bits(resumed)).equals(await bits(trainer))).toBe(true);
  for (const handle of [model, again, trainer, resumed, dataset]) handle.dispose();
});

test('evaluation rounds too: the same way every time, or to the nearest', async () => {
  const dataset = await smallDataset(70);
  const common = { dataset, batchSize: 32, precision: 'fp32' } as const;
  const model = await smallModel({ formats: { ...EIGHT, activate: 4 } });
  const { loss } = await model.evaluate(common);
  expect((await model.evaluate(common)).loss).toBe(loss);
  const nearest = await model.evaluate({ ...common, rounding: 'nearest' });
  expect(nearest.loss).not.toBe(loss);
  const other = await smallModel({ formats: { ...EIGHT, activate: 4, rounding: 'nearest' } });
  expect((await other.evaluate(common)).loss).toBe(nearest.loss);
  expect((await other.evaluate({ ...common, rounding: 'stochastic' })).loss).toBe(loss);
  const plain = await smallModel();
  expect((await plain.evaluate(common)).loss).not.toBe(nearest.loss);
  expect((await plain.evaluate({ ...common, rounding: 'nearest' })).loss).toBe((await plain.evaluate(common)).loss);
  for (const handle of [model, other, plain, dataset]) handle.dispose();
});

describe('infinities and NaN', () => {
  const poisoned = async (formats: NumberFormats, key: string) => {
    const model = await smallModel({ formats });
    const state = await model.stateDict();
    const tensor = state.get(key)!;
    const values = floats(tensor);
    values[0] = Number.NaN;
    state.set(key, { ...tensor, data: new Uint8Array(values.buffer) });
    await model.loadStateDict(state);
    return model;
  };
  const common = { batchSize: 16, lr: 0.05 } as const;

  test('are an error that names the tensor, the step and the epoch', async () => {
    const dataset = await smallDataset(40);
    const model = await poisoned(EIGHT, 'feature.4.weight');
    await expect(model.evaluate({ dataset, batchSize: 16, precision: 'fp32' })).rejects.toMatchObject({
      code: 'ERR_NUMERIC',
      message: expect.stringMatching(/^The output of feature\.4 .* of the evaluation,/),
    });
    const trainer = await smallTrainer(model);
    await expect(trainer.epoch({ ...common, dataset, epoch: 7 })).rejects.toMatchObject({
      code: 'ERR_NUMERIC',
      message: expect.stringMatching(/^The output of feature\.4 holds infinities or NaN in step 0 of epoch 7,/),
    });
    const weights = await smallModel({ formats: { ...FULL, grad: 8 } });
    const fast = await smallTrainer(weights);
    await expect(fast.epoch({ ...common, dataset, epoch: 2, lr: 1e30 })).rejects.toMatchObject({
      code: 'ERR_NUMERIC',
      message: expect.stringMatching(/^The gradient of feature\.\S+ holds infinities or NaN in step 1 of epoch 2,/),
    });
    for (const handle of [model, trainer, weights, fast, dataset]) handle.dispose();
  });

  test('go on into the loss where the formats let them', async () => {
    const dataset = await smallDataset(40);
    const model = await poisoned({ ...EIGHT, nonFinite: 'propagate' }, 'feature.4.weight');
    const trainer = await smallTrainer(model);
    await expect(trainer.epoch({ ...common, dataset, epoch: 7 })).rejects.toMatchObject({
      code: 'ERR_NUMERIC',
      message: expect.stringMatching(/^The loss is no longer a finite number/),
    });
    for (const handle of [model, trainer, dataset]) handle.dispose();
  });
});

test.each([
  [{ ...EIGHT, weight: 1 }, '"formats.weight" must be a word length of 2 to 22 bits, or -1'],
  [{ ...EIGHT, error: 23 }, '"formats.error"'],
  [{ ...EIGHT, rounding: 'up' }, '"rounding" must be stochastic or nearest'],
  [{ ...EIGHT, flavour: 'own' }, '"flavour" must be qtorch or swalp'],
  [{ ...EIGHT, nonFinite: 'hide' }, '"nonFinite" must be error or propagate'],
])('formats %j are refused', async (formats, message) => {
  await expect(smallModel({ formats: formats as NumberFormats })).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining(message),
  });
});

test('a ticket keeps the formats of its network', async () => {
  const model = await smallModel({ formats: EIGHT });
  const dataset = await smallDataset(16);
  const trainer = await smallTrainer(model);
  await trainer.epoch({ dataset, epoch: 0, lr: 0.05, batchSize: 16 }); // untrained, all gammas are equal
  const [mask] = await model.masks([0.3]);
  const { model: ticket } = await model.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
  const copyOf = async (formats?: NumberFormats): Promise<NativeModel> => {
    const copy = await smallModel({ cfg: ticket.describe().cfg, formats });
    await copy.loadStateDict(await ticket.stateDict());
    return copy;
  };
  const [low, plain] = [await copyOf(EIGHT), await copyOf()];
  const images = { dtype: 'float32' as const, shape: [2, 3, 32, 32], data: new Uint8Array(2 * 3072 * 4) };
  new Float32Array(images.data.buffer).forEach((_, i, values) => {
    values[i] = Math.sin(i);
  });
  const logits = async (of: NativeModel) => Buffer.from((await of.forward(images)).data);
  const own = await logits(ticket);
  expect((await logits(low)).equals(own)).toBe(true);
  expect((await logits(plain)).equals(own)).toBe(false);
  for (const handle of [model, trainer, dataset, ticket, low, plain]) handle.dispose();
});

test('the fused step gives the bits of the step that the golden data are held against', async () => {
  const lengths = { weight: 8, grad: 6, momentum: 10 };
  const model = await smallModel({ formats: { ...FULL, ...lengths, rounding: 'nearest' } });
  const trainer = await smallTrainer(model, { l1: 0 });
  const images = new Float32Array(4 * 3072).map((_, i) => ((Math.imul(i + 1, 2654435761) >>> 24) - 128) / 64);
  const input = { dtype: 'float32' as const, shape: [4, 3, 32, 32], data: new Uint8Array(images.buffer) };
  for (let step = 0; step < 3; step++) {
    const before = await trainer.snapshot();
    const labels = Int32Array.of(1, 3, 5, 7);
    const { gradients } = await trainer.step({ images: input, labels, lr: 0.1, gradients: true });
    const after = await trainer.snapshot();
    for (const [key, gradient] of gradients!) {
      const expected = await lowPrecisionStep(
        addon,
        {
          shape: gradient.shape,
          weight: floats(before.state.get(key)!),
          momentum: floats(before.momentum.get(key)!),
          gradient: floats(gradient),
        },
        { lr: 0.1, momentum: 0.9, weightDecay: 1e-4, lengths },
      );
      expect([key, floats(after.state.get(key)!)]).toEqual([key, expected.weight]);
      expect([key, floats(after.momentum.get(key)!)]).toEqual([key, expected.momentum]);
    }
  }
  model.dispose();
  trainer.dispose();
});

test.each([
  ['qtorch', true],
  ['swalp', false],
] as const)('%s: the exponent of an image is its own: %s', async (flavour, isOwn) => {
  const model = await smallModel({ formats: { ...FULL, activate: 6, rounding: 'nearest', flavour } });
  const image = new Float32Array(3072).map((_, i) => ((Math.imul(i + 1, 2654435761) >>> 24) - 128) / 64);
  const logits = async (...images: Float32Array[]) => {
    const all = new Float32Array(images.flatMap((one) => [...one]));
    const data = new Uint8Array(all.buffer);
    const out = await model.forward({ dtype: 'float32', shape: [images.length, 3, 32, 32], data });
    return [...floats(out).subarray(0, 10)];
  };
  const alone = await logits(image);
  const beside = await logits(
    image,
    image.map((value) => 1000 * value),
  );
  const apart = Math.max(...alone.map((value, i) => abs(value - beside[i]!)));
  const size = Math.max(...alone.map(abs));
  if (isOwn) expect(apart).toBeLessThan(1e-3 * size);
  else expect(apart).toBeGreaterThan(0.1 * size);
  model.dispose();
});
