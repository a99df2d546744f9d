/** Models, masks and surgery in the addon. */
import { createHash } from 'node:crypto';
import { DTYPE_BYTES, type StateDict, type TensorData } from '../../src/tensor';
import { gammasOf, maskFromGammas } from '../../src/ticket/mask';
import { addon, floats, smallModel } from '../support/small-handles';

function randomise(state: StateDict, seed: number): StateDict {
  let random = seed;
  const next = () => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return random / 2 ** 32;
  };
  const out: StateDict = new Map();
  for (const [key, tensor] of state) {
    if (tensor.dtype !== 'float32') {
      out.set(key, tensor);
      continue;
    }
    const values = Float32Array.from({ length: tensor.data.length / 4 }, () =>
      key.endsWith('running_var') ? 0.5 + next() : next() - 0.4,
    );
    out.set(key, { ...tensor, data: new Uint8Array(values.buffer) });
  }
  return out;
}

const images = (count: number): TensorData => ({
  dtype: 'float32',
  shape: [count, 3, 32, 32],
  data: new Uint8Array(Float32Array.from({ length: count * 3072 }, (_, i) => Math.sin(i * 0.37) * 2).buffer),
});

test('seed 1 gives the weights that PyTorch draws for the reference at seed 1', async () => {
  // Hash of all conv and linear weights of torch.manual_seed(1); vgg(depth=16) in PyTorch 2.13, computed there.
  const model = await addon.createModel({ arch: 'vgg', depth: 16, classes: 10, seed: 1, device: 'cpu' });
  const hash = createHash('sha256');
  for (const tensor of (await model.stateDict()).values()) if (tensor.shape.length > 1) hash.update(tensor.data);
  model.dispose();
  expect(hash.digest('hex')).toBe('37885532f8789edaaa5f1b8669a3e5a51e868390349b4a75688a272aafe7eace');
});

test('reinitialise() draws the weights of a fresh model and resets statistics', async () => {
  const fresh = await smallModel({ seed: 9 });
  const model = await smallModel({ seed: 1 });
  await model.forward(images(4), { train: true });
  await model.reinitialise(9);
  expect(await model.stateDict()).toEqual(await fresh.stateDict());
  model.dispose();
  fresh.dispose();
});

test('the dtype tables of both floors are the same', () => {
  expect((addon as unknown as { dtypes: object }).dtypes).toEqual(DTYPE_BYTES);
});

test('a state dict goes out and in unchanged, in PyTorch order', async () => {
  const model = await smallModel();
  const state = randomise(await model.stateDict(), 3);
  await model.loadStateDict(state);
  const back = await model.stateDict();
  expect([...back.keys()].slice(0, 6)).toEqual([
    'feature.0.weight',
    'feature.1.weight',
    'feature.1.bias',
    'feature.1.running_mean',
    'feature.1.running_var',
    'feature.1.num_batches_tracked',
  ]);
  for (const [key, tensor] of state) expect(Buffer.from(back.get(key)!.data)).toEqual(Buffer.from(tensor.data));
  model.dispose();
});

test('a state dict that does not fit is refused and changes nothing', async () => {
  const model = await smallModel();
  const before = await model.stateDict();
  const changed = randomise(before, 4);
  const without = new Map(changed);
  without.delete('classifier.weight');
  await expect(model.loadStateDict(without)).rejects.toMatchObject({
    code: 'ERR_CHECKPOINT',
    message: expect.stringContaining('classifier.weight'),
  });
  await expect(
    model.loadStateDict(new Map(changed).set('extra', changed.get('classifier.bias')!)),
  ).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
  const wide: TensorData = { dtype: 'float32', shape: [11], data: new Uint8Array(44) };
  await expect(model.loadStateDict(new Map(changed).set('classifier.bias', wide))).rejects.toMatchObject({
    code: 'ERR_CHECKPOINT',
  });
  expect(await model.stateDict()).toEqual(before);
  model.dispose();
});

test('native masks equal the plain twin at every ratio, and ties all go', async () => {
  const model = await smallModel();
  const ratios = [0, 0.1, 0.3, 0.5, 0.77, 0.99];
  expect((await model.masks([0.3]))[0]!.kept).toBe(0); // untrained: all gammas 0.5
  const state = randomise(await model.stateDict(), 5);
  await model.loadStateDict(state);
  const gammas = gammasOf(state);
  for (const mask of await model.masks(ratios)) {
    const twin = maskFromGammas(gammas, mask.ratio);
    expect({ threshold: mask.threshold, kept: mask.kept, total: mask.total, bits: [...mask.bits] }).toEqual({
      ...twin,
      bits: [...twin.bits],
    });
    expect(mask.keptPerLayer.reduce((a, b) => a + b)).toBe(mask.kept);
  }
  await expect(model.masks([1])).rejects.toMatchObject({ code: 'ERR_PRUNE' });
  await expect(model.masks([Number.NaN])).rejects.toMatchObject({ code: 'ERR_PRUNE' });
  model.dispose();
});

/** The dense model with gamma and beta of the channels that `layers` dropped set to zero. */
function masked(state: StateDict, keys: string[], bits: Uint8Array): StateDict {
  const out: StateDict = new Map(state);
  let channel = 0;
  for (const key of keys) {
    const gamma = floats(state.get(`${key}.weight`)!);
    const beta = floats(state.get(`${key}.bias`)!);
    for (let c = 0; c < gamma.length; c++, channel++)
      if (!((bits[channel >> 3]! >> (7 - (channel & 7))) & 1)) gamma[c] = beta[c] = 0;
    out.set(`${key}.weight`, { ...state.get(`${key}.weight`)!, data: new Uint8Array(gamma.buffer) });
    out.set(`${key}.bias`, { ...state.get(`${key}.bias`)!, data: new Uint8Array(beta.buffer) });
  }
  return out;
}

test.each([0.2, 0.5, 0.7])('a network pruned at %p computes what the masked dense one computes', async (ratio) => {
  const model = await smallModel();
  const state = randomise(await model.stateDict(), 6);
  await model.loadStateDict(state);
  const mask = (await model.masks([ratio]))[0]!;
  const { model: ticket, layers } = await model.prune({ mask: mask.bits, emptyLayers: 'keep-one' });
  expect(layers.every((layer) => layer.clamped === 0)).toBe(true);
  await model.loadStateDict(
    masked(
      state,
      model.describe().batchNorms.map((norm) => norm.key),
      mask.bits,
    ),
  );
  const dense = floats(await model.forward(images(3)));
  const small = floats(await ticket.forward(images(3)));
  const scale = Math.max(...dense.map(Math.abs));
  dense.forEach((value, i) => {
    expect(Math.abs(value - small[i]!)).toBeLessThan(2e-6 * scale);
  });
  expect(ticket.describe().cfg.filter((width) => width !== 'M')).toEqual(mask.keptPerLayer);
  model.dispose();
  ticket.dispose();
});

async function withEmptyLayer() {
  const model = await smallModel();
  const state = randomise(await model.stateDict(), 7);
  const gamma = floats(state.get('feature.5.weight')!).map((value, i) => (i === 4 ? -1e-6 : value * 1e-9));
  state.set('feature.5.weight', { ...state.get('feature.5.weight')!, data: new Uint8Array(gamma.buffer) });
  await model.loadStateDict(state);
  return { model, state, mask: (await model.masks([0.4]))[0]! };
}

test('a layer that would be empty keeps its channel of the largest |gamma|, with its real values', async () => {
  const { model, state, mask } = await withEmptyLayer();
  expect(mask.keptPerLayer[1]).toBe(0);
  const { model: ticket, layers } = await model.prune({ mask: mask.bits, emptyLayers: 'keep-one' });
  expect(layers[1]).toEqual({ key: 'feature.5', total: 12, kept: 1, clamped: 1, width: 1, removed: false });
  const pruned = await ticket.stateDict();
  expect(floats(pruned.get('feature.5.weight')!)[0]).toBe(floats(state.get('feature.5.weight')!)[4]);
  expect(floats(pruned.get('feature.5.running_var')!)[0]).toBe(floats(state.get('feature.5.running_var')!)[4]);
  model.dispose();
  ticket.dispose();
});

test('on request the empty layer disappears and every later layer stays aligned', async () => {
  const { model, state, mask } = await withEmptyLayer();
  const { model: ticket, layers } = await model.prune({ mask: mask.bits, emptyLayers: 'remove' });
  expect(layers[1]).toMatchObject({ removed: true, kept: 0 });
  const [first, , third, fourth, fifth] = mask.keptPerLayer;
  expect(ticket.describe().cfg).toEqual([first, 'M', 'M', third, 'M', fourth, 'M', fifth]);
  const kept = [...floats(state.get('feature.17.bias')!)].filter((_, c) => {
    const channel = 8 + 12 + 16 + 16 + c;
    return (mask.bits[channel >> 3]! >> (7 - (channel & 7))) & 1;
  });
  const pruned = await ticket.stateDict();
  const last = ticket.describe().batchNorms.at(-1)!.key;
  expect([...floats(pruned.get(`${last}.bias`)!)]).toEqual(kept);
  expect(pruned.get('classifier.bias')).toEqual(state.get('classifier.bias'));
  model.dispose();
  ticket.dispose();
});

test('refuses masks and networks that cannot be', async () => {
  const model = await smallModel();
  await expect(model.prune({ mask: new Uint8Array(2), emptyLayers: 'keep-one' })).rejects.toMatchObject({
    code: 'ERR_PRUNE',
  });
  await expect(model.prune({ mask: new Uint8Array(8), emptyLayers: 'keep-one' })).rejects.toMatchObject({
    code: 'ERR_PRUNE',
  });
  await expect(smallModel({ cfg: [8, 'M', 8] })).rejects.toMatchObject({ code: 'ERR_MODEL' });
  await expect(smallModel({ cfg: undefined, depth: 12 })).rejects.toMatchObject({ code: 'ERR_MODEL' });
  await expect(smallModel({ cfg: [0, 'M', 'M', 'M', 'M'] })).rejects.toMatchObject({ code: 'ERR_MODEL' });
  await expect(smallModel({ arch: 'alexnet' })).rejects.toMatchObject({
    code: 'ERR_MODEL',
    message: expect.stringContaining('vgg'),
  });
  await expect(
    model.forward({ dtype: 'float32', shape: [1, 3, 32, 32], data: new Uint8Array(3) }),
  ).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  model.dispose();
});

test('the overlap matrix of many masks is exact', () => {
  const [count, bits] = [40, 4224 + 3];
  const bytes = Math.ceil(bits / 8);
  const masks = new Uint8Array(count * bytes).map((_, i) => Math.imul(i + 7, 2654435761) >>> 24);
  const got = addon.maskOverlap(masks, count, bits);
  for (const [i, j] of [
    [0, 0],
    [0, 1],
    [7, 39],
    [39, 7],
  ] as const) {
    let equal = 0;
    for (let bit = 0; bit < bits; bit++) {
      const at = (row: number) => (masks[row * bytes + (bit >> 3)]! >> (7 - (bit & 7))) & 1;
      if (at(i) === at(j)) equal++;
    }
    expect(got[i * count + j]).toBe(equal / bits);
  }
  expect(() => addon.maskOverlap(masks, 3, bits)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
});

test('a state dict with a tensor that contradicts itself is refused, and one that is emptied meanwhile is loaded whole', async () => {
  const model = await smallModel();
  const state = await model.stateDict();
  const bad = new Map(state).set('classifier.bias', { dtype: 'float32', shape: [10], data: new Uint8Array(4) });
  await expect(model.loadStateDict(bad)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  const unknown = new Map(state).set('classifier.bias', {
    dtype: 'int7' as never,
    shape: [10],
    data: new Uint8Array(40),
  });
  await expect(model.loadStateDict(unknown)).rejects.toMatchObject({ code: 'ERR_DTYPE' });

  const given = new Map([...state].map(([key, tensor]) => [key, { ...tensor, data: new Uint8Array(tensor.data) }]));
  const loading = model.loadStateDict(given);
  given.clear();
  await loading;
  const after = await model.stateDict();
  for (const [key, { data }] of state) expect(Buffer.compare(after.get(key)!.data, data)).toBe(0);
  model.dispose();
});
