/** The pruner on every network: exact surgery keeps the function, tickets keep their weights, widths are rounded within the budget. */
import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import type { NetworkData } from '../../src/native/types/network-data';
import { networkOf } from '../../src/network/file';
import type { StateDict, TensorData } from '../../src/tensor';
import { layoutOf, valuesOf } from '../parity/lib/fill';
import { centred } from '../parity/lib/random';
import { floatTensor } from '../parity/lib/tensors';
import { addon, floats } from '../support/small-handles';

const SIDE = 32;

const NETWORKS: Record<string, Partial<ModelSpec>> = {
  vgg: { arch: 'vgg', depth: 11 },
  'preresnet-20': { arch: 'resnet', depth: 20 },
  resnet18: { arch: 'resnet18', depth: 18 },
  resnet34: { arch: 'resnet34', depth: 34 },
  resnet50_official: { arch: 'resnet50_official', depth: 50 },
};
/** Adds the networks that come as data. */
for (const name of ['alexnet_bn', 'wide_resnet28_2', 'mobilenet_v2', 'densenet40'])
  NETWORKS[name] = { arch: networkOf(name) as NetworkData };
const RATIOS = [0.1, 0.3, 0.5, 0.7, 0.9];

/** The weights of all layers are windows of these numbers: a prime count, so that no two channels of a layer are alike. */
const NOISE = centred(1_000_003, 7, 0, 1);

function weights(count: number, scale: number, first: number): Float32Array {
  const noise = NOISE;
  const out = new Float32Array(count);
  for (let i = 0, at = first % noise.length; i < count; i++) {
    out[i] = noise[at]! * scale;
    if (++at === noise.length) at = 0;
  }
  return out;
}

/** Weights whose gammas all differ. */
function filled(state: StateDict): StateDict {
  const entries = layoutOf(state, 3).map((entry): [string, TensorData] => {
    const { key, shape, kind, c, ordinal } = entry;
    if (kind === 'count') return [key, state.get(key)!];
    const isWeight = kind === 'conv_weight' || kind === 'linear_weight';
    const count = shape.reduce((a, b) => a * b, 1);
    return [key, floatTensor(isWeight ? weights(count, c!, 104_729 * ordinal!) : valuesOf(entry, 7), shape)];
  });
  return new Map(entries);
}

/** One BN layer with tiny gammas and another with huge ones, so that at high ratios whole layers would empty. */
function lopsided(state: StateDict, norms: readonly { key: string }[]): StateDict {
  const changed = new Map(state);
  norms.forEach(({ key }, i) => {
    const gamma = state.get(`${key}.weight`)!;
    const values = floats(gamma).map((value) => value * (i % 3 === 1 ? 2 ** -12 : 1));
    changed.set(`${key}.weight`, { ...gamma, data: new Uint8Array(values.buffer) });
  });
  return changed;
}

type Kind = 'filled' | 'lopsided';

/** A network that is built and filled once, for all tests that begin with one of these states. */
interface Subject {
  dense: NativeModel;
  states: Record<Kind, StateDict>;
}

async function subject(spec: Partial<ModelSpec>): Promise<Subject> {
  const given = { arch: '', depth: 0, classes: 10, seed: 1, device: 'cpu', imageSize: SIDE, ...spec };
  const dense = await addon.createModel(given);
  const state = filled(await dense.stateDict());
  return { dense, states: { filled: state, lopsided: lopsided(state, dense.describe().batchNorms) } };
}

async function loaded({ dense, states }: Subject, kind: Kind): Promise<NativeModel> {
  await dense.loadStateDict(states[kind]);
  return dense;
}

// One thread: beside other programs several wait for each other most of the time, at these sizes.
const { threads } = addon.runtime();
beforeAll(() => addon.setThreads(1));
afterAll(() => addon.setThreads(threads));

const isAlive = (bits: Uint8Array, channel: number) => ((bits[channel >> 3]! >> (7 - (channel % 8))) & 1) === 1;

/** The state with gamma and beta of masked channels at zero. */
function masked(whole: StateDict, norms: readonly { key: string; channels: number }[], bits: Uint8Array): StateDict {
  const state = new Map(whole);
  let first = 0;
  for (const { key, channels } of norms) {
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

describe.each(Object.entries(NETWORKS))('%s', (name, spec) => {
  let network: Subject;
  beforeAll(async () => {
    network = await subject(spec);
  });
  afterAll(() => network.dense.dispose());

  for (const kind of ['filled', 'lopsided'] as const) {
    test.each(RATIOS)(`exact surgery keeps the function (${kind} gammas, p = %f)`, async (ratio) => {
      const dense = await loaded(network, kind);
      const [mask] = await dense.masks([ratio]);
      const drawn = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', surgery: 'exact' });
      const { model: ticket } = drawn;
      expect(drawn.cutsLiveChannels).toBe(false);
      await dense.loadStateDict(masked(network.states[kind], dense.describe().batchNorms, mask!.bits));
      const { difference, scale } = await largestDifference(ticket, dense);
      expect(scale).toBeGreaterThan(0);
      expect(difference).toBeLessThanOrEqual(2e-5 * scale);
      ticket.dispose();
    });
  }

  test('a ticket trains on', async () => {
    const dense = await loaded(network, 'lopsided');
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
  });

  test('widths are multiples within the budget of the mask', async () => {
    const dense = await loaded(network, 'filled');
    const [mask] = await dense.masks([0.5]);
    // Channels in front of a depthwise convolution go with those behind it, which the mask may keep elsewhere.
    const least = name === 'mobilenet_v2' ? 0.7 : 0.8;
    for (const surgery of ['reference', 'exact'] as const) {
      const { model, layers } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', surgery, roundTo: 8 });
      const { cfg, batchNorms } = model.describe();
      const free = spec.arch === 'resnet18' || spec.arch === 'resnet34' ? cfg.slice(0, -1) : cfg;
      // The reference lists widths of ResNet-50 that it ignores.
      if (spec.arch !== 'resnet50_official')
        expect(free.filter((width) => width !== 'M' && width % 8 !== 0)).toEqual([]);
      // Selections take the channels of a DenseNet, whose BN layers stay whole.
      if (name !== 'densenet40') expect(batchNorms.filter(({ channels }) => channels % 8 !== 0)).toEqual([]);
      expect(layers.reduce((sum, { kept }) => sum + kept, 0)).toBeLessThanOrEqual(mask!.kept);
      expect(layers.reduce((sum, { kept }) => sum + kept, 0)).toBeGreaterThan(least * mask!.kept);
      model.dispose();
    }
  });

  test('exact surgery with rounding keeps the function of the rounded mask', async () => {
    const dense = await loaded(network, 'filled');
    const [mask] = await dense.masks([0.5]);
    const { model, mask: bits } = await dense.prune({
      mask: mask!.bits,
      emptyLayers: 'keep-one',
      surgery: 'exact',
      roundTo: 8,
    });
    await dense.loadStateDict(masked(network.states.filled, dense.describe().batchNorms, bits));
    const { difference, scale } = await largestDifference(model, dense);
    expect(scale).toBeGreaterThan(0);
    expect(difference).toBeLessThanOrEqual(2e-5 * scale);
    model.dispose();
  });

  if (name === 'resnet50_official') {
    test('a ResNet-50 ticket keeps the weights of the channels it keeps', async () => {
      const dense = await loaded(network, 'filled');
      const [mask] = await dense.masks([0.3]);
      const { model: ticket } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
      expect(ticket.describe().arch).toBe('resnet50_prune');
      const [before, after] = [network.states.filled, await ticket.stateDict()];
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
      ticket.dispose();
    });
  }

  if (name !== 'vgg') {
    test('no layer can be removed', async () => {
      const dense = await loaded(network, 'lopsided');
      const [mask] = await dense.masks([0.7]);
      const removing = dense.prune({ mask: mask!.bits, emptyLayers: 'remove' });
      await expect(removing).rejects.toMatchObject({ code: 'ERR_PRUNE' });
    });
  }
});

test.each(['preresnet-20', 'resnet18'])('a ticket of %s can be pruned again', async (name) => {
  const dense = await loaded(await subject(NETWORKS[name]!), 'filled');
  const options = { emptyLayers: 'keep-one', surgery: 'exact' } as const;
  const [first] = await dense.masks([0.3]);
  const { model: ticket } = await dense.prune({ mask: first!.bits, ...options });
  const [second] = await ticket.masks([0.6]);
  const { model: smaller } = await ticket.prune({ mask: second!.bits, ...options });
  const [before, after] = [ticket.describe(), smaller.describe()];
  expect(after.cfg.filter((width, i) => width < before.cfg[i]!).length).toBeGreaterThan(before.cfg.length / 2);
  await ticket.loadStateDict(masked(await ticket.stateDict(), before.batchNorms, second!.bits));
  const { difference, scale } = await largestDifference(smaller, ticket);
  expect(scale).toBeGreaterThan(0);
  expect(difference).toBeLessThanOrEqual(2e-5 * scale);
});

test('exact surgery removes no layer', async () => {
  const { dense } = await subject(NETWORKS.vgg!);
  const [mask] = await dense.masks([0]);
  const asked = { mask: new Uint8Array(mask!.bits).fill(255), emptyLayers: 'remove', surgery: 'exact' } as const;
  await expect(dense.prune(asked)).rejects.toMatchObject({ code: 'ERR_PRUNE' });
});

test('a layer in front of a depthwise convolution that is emptied keeps a channel that goes on', async () => {
  const { dense, states } = await subject(NETWORKS.mobilenet_v2!);
  await dense.loadStateDict(states.filled);
  const [front, behind] = ['features.2.conv.0.1', 'features.2.conv.1.1'] as const;
  const weakest = (key: string) => {
    const gammas = floats(states.filled.get(`${key}.weight`)!).map(Math.abs);
    return gammas.indexOf(Math.min(...gammas));
  };
  // The best channel of the layer that is emptied is never the one that the other layer has.
  for (const alive of [
    { [front]: [], [behind]: [weakest(front)] },
    { [front]: [weakest(behind)], [behind]: [] },
    { [front]: [], [behind]: [] },
  ]) {
    const { model: ticket, layers } = await dense.prune({
      mask: packedMask(dense.describe().batchNorms, alive),
      emptyLayers: 'keep-one',
      surgery: 'reference',
    });
    const state = await ticket.stateDict();
    for (const key of [front, behind]) {
      expect(layers.find((layer) => layer.key === key)).toMatchObject({ kept: 1, width: 1 });
      expect(floats(state.get(`${key}.weight`)!)[0]).not.toBe(0);
    }
    ticket.dispose();
  }
  dense.dispose();
});

/** A mask that keeps all channels but those of the named layers, of which it keeps the given ones. */
function packedMask(norms: readonly { key: string; channels: number }[], alive: Record<string, number[]>): Uint8Array {
  const bits = norms.flatMap(({ key, channels }) =>
    Array.from({ length: channels }, (_, c) => alive[key]?.includes(c) ?? true),
  );
  const mask = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((isKept, i) => {
    if (isKept) mask[i >> 3]! |= 128 >> (i % 8);
  });
  return mask;
}
