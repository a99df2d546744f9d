/** Networks that come as data equal PyTorch's (scripts/golden/networks.py), and the built-in ones bit for bit. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelSpec } from '../../src/native/types/model';
import type { NetworkData } from '../../src/native/types/network-data';
import { networkOf, readNetwork } from '../../src/network/file';
import { costsOf, forwardFlops } from '../../src/network/flops';
import { isShipped } from '../../src/network/names';
import type { StateDict, TensorData } from '../../src/tensor';
import { addon, floats, smallDataset, smallTrainer } from '../support/small-handles';

const folder = join(__dirname, '..', '..', 'networks');
const shipped = (name: string): NetworkData => readNetwork(join(folder, `${name}.json`));

interface Golden {
  parameters: number;
  side?: number;
  logits?: number[];
}
const GOLDEN = JSON.parse(readFileSync(join(__dirname, '..', 'fixtures', 'networks.json'), 'utf8')) as Record<
  string,
  Golden
>;

const { threads } = addon.runtime();
beforeAll(() => addon.setThreads(1));
afterAll(() => addon.setThreads(threads));

/** The same numbers as in scripts/golden/networks.py: in [-0.5, 0.5), a hash of the position. */
function uniform(ordinal: number, count: number): Float32Array {
  const { imul } = Math;
  const out = new Float32Array(count);
  const first = imul(ordinal, 0x9e3779b1);
  for (let i = 0; i < count; i++) {
    let x = (first + i) | 0;
    x = imul(x ^ (x >>> 16), 0x7feb352d);
    x = imul(x ^ (x >>> 15), 0x846ca68b);
    x ^= x >>> 16;
    out[i] = (x >>> 8) / 2 ** 24 - 0.5;
  }
  return out;
}

const tensor = (values: Float32Array, shape: number[]): TensorData => ({
  dtype: 'float32',
  shape,
  data: new Uint8Array(values.buffer),
});

function weightOf(key: string, shape: number[], ordinal: number): TensorData {
  const numbers = uniform(
    ordinal,
    shape.reduce((a, b) => a * b, 1),
  );
  const isGamma = key.endsWith('weight') && shape.length === 1;
  const bound = Math.fround(1.5 * Math.sqrt(6 / shape.slice(1).reduce((a, b) => a * b, 1)));
  const scale = shape.length > 1 ? bound : Math.fround(0.2);
  return tensor(
    numbers.map((u) => (key.endsWith('running_var') || isGamma ? u + 1 : u * scale)),
    shape,
  );
}

function filled(state: StateDict): StateDict {
  const keys = [...state.keys()].filter((key) => !/(num_batches_tracked|indexes)$/.test(key)).sort();
  return new Map(
    [...state].map(([key, value]) => [key, keys.includes(key) ? weightOf(key, value.shape, keys.indexOf(key)) : value]),
  );
}

const images = (side: number) =>
  tensor(
    uniform(1 << 20, 2 * 3 * side * side).map((u) => u * 4),
    [2, 3, side, side],
  );

const create = (spec: Partial<ModelSpec>) =>
  addon.createModel({ arch: '', depth: 0, classes: 10, seed: 1, device: 'cpu', ...spec });

describe.each(Object.entries(GOLDEN))('%s', (name, { parameters, side, logits }) => {
  test('has the weights of its PyTorch definition, and its logits', async () => {
    using model = await create({ arch: shipped(name), ...(side && { imageSize: side }) });
    expect((await costsOf(model)).parameters).toBe(parameters);
    if (!side || !logits) return;
    await model.loadStateDict(filled(await model.stateDict()));
    const own = floats(await model.forward(images(side)));
    const scale = Math.max(...logits.map(Math.abs));
    const away = Math.max(...logits.map((value, i) => Math.abs(value - own[i]!)));
    expect(away / scale).toBeLessThan(1e-5);
  });
});

test.each(['alexnet_bn', 'wide_resnet28_2', 'mobilenet_v2', 'densenet40'])(
  'a plan of %s has the layers of its ticket',
  async (name) => {
    using model = await create({ arch: shipped(name), imageSize: 32 });
    await model.loadStateDict(filled(await model.stateDict()));
    const [mask] = await model.masks([0.6]);
    for (const surgery of ['reference', 'exact'] as const) {
      const how = { mask: mask!.bits, emptyLayers: 'keep-one', surgery } as const;
      const { network, layers } = await model.plan(how);
      const cut = await model.prune(how);
      using ticket = cut.model;
      expect(network).toEqual(ticket.describe().layers);
      expect(layers).toEqual(cut.layers);
      expect(forwardFlops(network)).toBeLessThan(0.8 * forwardFlops(model.describe().layers));
      // The ticket's own cfg makes the same network again.
      using again = await create({ arch: ticket.describe().arch, cfg: ticket.describe().cfg, imageSize: 32 });
      expect(again.describe()).toEqual(ticket.describe());
    }
  },
);

const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
const digest = (state: StateDict) =>
  Object.fromEntries([...state].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { data }]) => [key, hash(data)]));

/** Hashes of all that a network computes: new weights, logits, three steps, a ticket and its logits. */
async function bitsOf(spec: Partial<ModelSpec>, side: number) {
  using model = await create({ ...spec, imageSize: side });
  const [initial, before] = [await model.stateDict(), await model.forward(images(side))];
  using trainer = await addon.createTrainer(model, {
    momentum: 0.9,
    weightDecay: 1e-4,
    l1: 1e-4,
    precision: 'fp32',
    seed: 1,
  });
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) {
    const { loss } = await trainer.step({ images: images(side), labels: Int32Array.of(i, 7), lr: 0.05 });
    losses.push(loss);
  }
  const trained = await model.stateDict();
  const [mask] = await model.masks([0.5]);
  const { model: ticket, layers } = await model.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
  using owned = ticket;
  const bits = {
    initial: digest(initial),
    before: hash(before.data),
    losses,
    trained: digest(trained),
    mask: hash(mask!.bits),
    layers,
    ticket: digest(await owned.stateDict()),
    after: hash((await owned.forward(images(side))).data),
    flops: [forwardFlops(model.describe().layers), forwardFlops(owned.describe().layers)],
  };
  return bits;
}

const TWINS: [string, Partial<ModelSpec>][] = [
  ['vgg16', { arch: 'vgg', depth: 16 }],
  ['resnet18', { arch: 'resnet18', depth: 18 }],
];

test.each(TWINS)('%s as data has the bits of the built-in network', async (name, builtIn) => {
  expect(await bitsOf({ arch: shipped(name) }, 32)).toEqual(await bitsOf(builtIn, 32));
});

/** Operators of a training step by name, with their calls. */
async function operatorsOf(spec: Partial<ModelSpec>): Promise<Record<string, number>> {
  using model = await create({ ...spec, imageSize: 32 });
  using dataset = await smallDataset(8);
  using trainer = await smallTrainer(model);
  const { kernels } = await trainer.profile({ dataset, epoch: 0, lr: 0.1, batchSize: 4, steps: 1 });
  return Object.fromEntries(kernels.map(({ name, calls }) => [name, calls]));
}

test.each(TWINS)('a step of %s as data calls the operators of the built-in network', async (name, builtIn) => {
  expect(await operatorsOf({ arch: shipped(name) })).toEqual(await operatorsOf(builtIn));
});

test('all files that come with the package have a name for --arch', () => {
  const names = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));
  // A built-in network has this name, so that its file is only for --arch PATH.
  expect(names.filter((name) => !isShipped(name))).toEqual(['resnet18']);
  for (const name of names.filter(isShipped)) expect(networkOf(name)).toEqual(shipped(name));
});

test('the files are as scripts/networks.mjs writes them', () => {
  const script = join(__dirname, '..', '..', 'scripts', 'networks.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});
