/** The pruner on every network: exact surgery keeps the function, tickets keep their weights, widths are rounded within the budget. */
import type { ModelSpec, NativeModel } from '../../src/native/types';
import type { StateDict, TensorData } from '../../src/tensor';
import { fill } from '../parity/lib/fill';
import { addon, floats } from './small';

const SIDE = 32;

const NETWORKS: Record<string, Partial<ModelSpec>> = {
  vgg: { arch: 'vgg', depth: 11 },
  'preresnet-20': { arch: 'resnet', depth: 20 },
  resnet18: { arch: 'resnet18', depth: 18 },
  resnet34: { arch: 'resnet34', depth: 34 },
  resnet50_official: { arch: 'resnet50_official', depth: 50 },
};
const RATIOS = [0.1, 0.3, 0.5, 0.7, 0.9];

function build(spec: Partial<ModelSpec>): Promise<NativeModel> {
  return addon.createModel({ arch: '', depth: 0, classes: 10, seed: 1, device: 'cpu', imageSize: SIDE, ...spec });
}

/** With weights whose gammas all differ. */
async function filled(spec: Partial<ModelSpec>): Promise<NativeModel> {
  const model = await build(spec);
  const state = fill(await model.stateDict(), 7, { gain: 3, gamma: 'u' });
  await model.loadStateDict(state);
  return model;
}

/** One BN layer with tiny gammas and another with huge ones, so that at high ratios whole layers would empty. */
async function lopsided(spec: Partial<ModelSpec>): Promise<NativeModel> {
  const model = await filled(spec);
  const state = await model.stateDict();
  const norms = model.describe().batchNorms;
  norms.forEach(({ key }, i) => {
    const gamma = state.get(`${key}.weight`)!;
    const values = floats(gamma).map((value) => value * (i % 3 === 1 ? 2 ** -12 : 1));
    state.set(`${key}.weight`, { ...gamma, data: new Uint8Array(values.buffer) });
  });
  await model.loadStateDict(state);
  return model;
}

const isAlive = (bits: Uint8Array, channel: number) => ((bits[channel >> 3]! >> (7 - (channel % 8))) & 1) === 1;

/** The dense network with gamma and beta of masked channels at zero. */
async function masked(model: NativeModel, bits: Uint8Array): Promise<StateDict> {
  const state = await model.stateDict();
  let first = 0;
  for (const { key, channels } of model.describe().batchNorms) {
    for (const field of ['weight', 'bias']) {
      const tensor = state.get(`${key}.${field}`)!;
      const values = floats(tensor).map((value, c) => (isAlive(bits, first + c) ? value : 0));
      state.set(`${key}.${field}`, { ...tensor, data: new Uint8Array(values.buffer) });
    }
    first += channels;
  }
  return state;
}

function pictures(side = SIDE): TensorData {
  const values = new Float32Array(2 * 3 * side * side).map(
    (_, i) => ((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 24) * 4 - 2,
  );
  return { dtype: 'float32', shape: [2, 3, side, side], data: new Uint8Array(values.buffer) };
}

async function largestDifference(a: NativeModel, b: NativeModel): Promise<{ difference: number; scale: number }> {
  const [x, y] = [floats(await a.forward(pictures())), floats(await b.forward(pictures()))];
  const difference = Math.max(...x.map((value, i) => Math.abs(value - y[i]!)));
  return { difference, scale: Math.max(...y.map(Math.abs)) };
}

describe.each(Object.entries(NETWORKS))('%s', (_, spec) => {
  for (const [kind, make] of Object.entries({ filled, lopsided })) {
    test.each(RATIOS)(`exact surgery keeps the function (${kind} gammas, p = %f)`, async (ratio) => {
      const dense = await make(spec);
      const [mask] = await dense.masks([ratio]);
      const { model: ticket } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', surgery: 'exact' });
      await dense.loadStateDict(await masked(dense, mask!.bits));
      const { difference, scale } = await largestDifference(ticket, dense);
      expect(scale).toBeGreaterThan(0);
      expect(difference).toBeLessThanOrEqual(2e-5 * scale);
      ticket.dispose();
      dense.dispose();
    });
  }

  test('a ticket trains on', async () => {
    const dense = await lopsided(spec);
    const [mask] = await dense.masks([0.9]);
    for (const surgery of ['reference', 'exact'] as const) {
      const { model: ticket } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', surgery });
      const trainer = await addon.createTrainer(ticket, {
        momentum: 0.9,
        weightDecay: 0,
        l1: 0,
        precision: 'fp32',
        seed: 1,
      });
      const labels = Int32Array.of(1, 2);
      const { loss } = await trainer.step({ images: pictures(), labels, lr: 0.01 });
      expect(Number.isFinite(loss)).toBe(true);
      trainer.dispose();
      ticket.dispose();
    }
    dense.dispose();
  });

  test('widths are multiples within the budget of the mask', async () => {
    const dense = await filled(spec);
    const [mask] = await dense.masks([0.5]);
    for (const surgery of ['reference', 'exact'] as const) {
      const { model, layers } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', surgery, roundTo: 8 });
      const { cfg, batchNorms } = model.describe();
      const free = spec.arch === 'resnet18' || spec.arch === 'resnet34' ? cfg.slice(0, -1) : cfg;
      // Of a ResNet-50 the widths that the release lists and ignores are no widths.
      if (spec.arch !== 'resnet50_official')
        expect(free.filter((width) => width !== 'M' && width % 8 !== 0)).toEqual([]);
      expect(batchNorms.filter(({ channels }) => channels % 8 !== 0)).toEqual([]);
      expect(layers.reduce((sum, { kept }) => sum + kept, 0)).toBeLessThanOrEqual(mask!.kept);
      expect(layers.reduce((sum, { kept }) => sum + kept, 0)).toBeGreaterThan(0.8 * mask!.kept);
      model.dispose();
    }
    dense.dispose();
  });
});

test('exact surgery with rounding keeps the function of the rounded mask', async () => {
  const dense = await filled(NETWORKS.resnet50_official!);
  const [mask] = await dense.masks([0.5]);
  const { model, mask: bits } = await dense.prune({
    mask: mask!.bits,
    emptyLayers: 'keep-one',
    surgery: 'exact',
    roundTo: 8,
  });
  await dense.loadStateDict(await masked(dense, bits));
  const { difference, scale } = await largestDifference(model, dense);
  expect(difference).toBeLessThanOrEqual(2e-5 * scale);
});

test('a ResNet-50 ticket keeps the weights of the channels it keeps', async () => {
  const dense = await filled(NETWORKS.resnet50_official!);
  const [mask] = await dense.masks([0.3]);
  const { model: ticket } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
  expect(ticket.describe().arch).toBe('resnet50_prune');
  const [before, after] = [await dense.stateDict(), await ticket.stateDict()];
  // layer1.0.conv2 is cut on both sides by masks of its own: rows by bn2, columns by bn1.
  const offset = (key: string) => {
    let first = 0;
    for (const norm of dense.describe().batchNorms) {
      if (norm.key === key) return { first, channels: norm.channels };
      first += norm.channels;
    }
    throw new Error(key);
  };
  const kept = (key: string) => {
    const { first, channels } = offset(key);
    return Array.from({ length: channels }, (_, c) => c).filter((c) => isAlive(mask!.bits, first + c));
  };
  const [rows, columns] = [kept('layer1.0.bn2'), kept('layer1.0.bn1')];
  const [whole, cut] = [floats(before.get('layer1.0.conv2.weight')!), floats(after.get('layer1.0.conv2.weight')!)];
  const expected = rows.flatMap((r) =>
    columns.flatMap((c) => [...whole.slice((r * 64 + c) * 9, (r * 64 + c) * 9 + 9)]),
  );
  expect([...cut]).toEqual(expected);
});

test('only VGG has layers that can be removed', async () => {
  const dense = await lopsided(NETWORKS['preresnet-20']!);
  const [mask] = await dense.masks([0.7]);
  await expect(dense.prune({ mask: mask!.bits, emptyLayers: 'remove' })).rejects.toMatchObject({ code: 'ERR_PRUNE' });
});
