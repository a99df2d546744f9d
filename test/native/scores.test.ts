/** Scores of channels against torch-pruning and against PyTorch (scripts/golden/criteria.py), and masks drawn by them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NativeModel } from '../../src/native/types/model';
import { forwardFlops, layerParameters } from '../../src/network/flops';
import { drawMasks } from '../../src/prune/draw';
import { CRITERIA } from '../../src/recipe/fields/ranking';
import type { StateDict, TensorData } from '../../src/tensor';
import { addon, floats, smallDataset, smallModel } from '../support/small-handles';

const golden = JSON.parse(readFileSync(join(__dirname, '../fixtures/criteria.json'), 'utf8')) as Record<
  string,
  number[]
>;
const CFG = [6, 'M', 8, 'M', 9, 7, 'M', 10, 'M', 12] as const;
const IMAGES = 16;

/** The numbers of the script: u in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

function filled(state: StateDict, parameters: readonly string[], positive: boolean): StateDict {
  const next = numbers(1);
  const out = new Map(state);
  for (const key of parameters) {
    const tensor = state.get(key)!;
    const isGamma = key.startsWith('feature') && key.endsWith('weight') && tensor.shape.length === 1;
    const count = tensor.shape.reduce((a, b) => a * b, 1);
    const values = new Float32Array(count).map(() => {
      const value = 0.4 * (next() - 0.5) + (isGamma ? 0.8 : 0);
      return positive ? Math.abs(value) : value;
    });
    out.set(key, { ...tensor, data: new Uint8Array(values.buffer) } as TensorData);
  }
  return out;
}

async function network(positive = false): Promise<NativeModel> {
  const model = await smallModel({ cfg: [...CFG] });
  await model.loadStateDict(filled(await model.stateDict(), model.describe().parameters, positive));
  return model;
}

function dataset() {
  const next = numbers(2);
  const images = new Uint8Array(IMAGES * 3072).map(() => Math.trunc(256 * next()));
  // Images are neither cropped nor flipped, so that the script needs no random numbers of ours.
  const plain = { padding: 0, flip: false } as const;
  return smallDataset(IMAGES, { ...plain, images, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] });
}

/** The largest difference, in units of the largest value of the layer. */
function difference(scores: readonly number[], expected: readonly number[], widths: readonly number[]): number {
  let [worst, first] = [scores.length === expected.length ? 0 : Number.POSITIVE_INFINITY, 0];
  for (const width of widths) {
    const layer = expected.slice(first, first + width);
    const most = Math.max(...layer.map(Math.abs));
    layer.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(scores[first + i]! - value) / most);
    });
    first += width;
  }
  return worst;
}

const widths = CFG.filter((width) => width !== 'M') as number[];

test.each([
  ['l1', 1e-6],
  ['l2', 1e-6],
  ['lamp', 1e-6],
  ['fpgm', 1e-6],
  ['synflow', 1e-5],
  ['snip', 1e-3],
  ['taylor', 2e-3],
  ['grasp', 1e-2],
])('%s equals the implementation of others', async (criterion, tolerance) => {
  using model = await network(criterion === 'fpgm');
  using images = await dataset();
  const scores = await model.scores({ criterion, seed: 1, dataset: images, batches: 1, batchSize: IMAGES });
  expect(difference(scores, golden[criterion]!, widths)).toBeLessThan(tolerance);
});

test('scores are the same bits again, and those of weights with any number of threads', async () => {
  using model = await network();
  using images = await smallDataset(24);
  const { threads } = addon.runtime();
  const scored = async (criteria: readonly string[]) => {
    const rows: [string, number[]][] = [];
    for (const criterion of criteria)
      rows.push([criterion, await model.scores({ criterion, seed: 3, dataset: images, batches: 2, batchSize: 10 })]);
    return rows;
  };
  // Gradients of convolutions are LibTorch's, as in training, and are sums of as many parts as there are threads.
  const ofGradients: readonly string[] = ['taylor', 'snip', 'grasp', 'synflow'];
  const ofWeights = CRITERIA.filter((criterion) => !ofGradients.includes(criterion));
  try {
    addon.setThreads(1);
    const one = await scored(ofWeights);
    addon.setThreads(3);
    expect(await scored(ofWeights)).toEqual(one);
    addon.setThreads(2);
    expect(await scored(ofGradients)).toEqual(await scored(ofGradients));
  } finally {
    addon.setThreads(threads);
  }
});

test('masks keep the largest scores, and a ticket is cut by them', async () => {
  using model = await network();
  const scores = await model.scores({ criterion: 'l2', seed: 1 });
  const [mask] = await model.masks([0.5], { scores });
  const order = scores.map((score, channel) => ({ score, channel })).sort((a, b) => b.score - a.score);
  const kept = new Set(order.slice(0, mask!.kept).map(({ channel }) => channel));
  scores.forEach((_, channel) => {
    expect(((mask!.bits[channel >> 3]! >> (7 - (channel & 7))) & 1) === 1).toBe(kept.has(channel));
  });
  const cut = await model.prune({ mask: mask!.bits, scores, emptyLayers: 'keep-one', roundTo: 2 });
  using ticket = cut.model;
  expect(ticket.describe().cfg.every((width) => width === 'M' || width % 2 === 0)).toBe(true);
  const plan = await model.plan({ mask: mask!.bits, scores, emptyLayers: 'keep-one', roundTo: 2 });
  expect(plan.layers).toEqual(cut.layers);
  expect(plan.network).toEqual(ticket.describe().layers);
  await expect(model.masks([0.5], { scores: [1, 2] })).rejects.toMatchObject({ code: 'ERR_PRUNE' });
});

test('|gamma| as scores draws the masks that are drawn without', async () => {
  using model = await network();
  const scores = await model.scores({ criterion: 'gamma', seed: 1 });
  const ratios = [0, 0.3, 0.5, 0.9];
  expect(await model.masks(ratios, { scores })).toEqual(await model.masks(ratios));
  const drawn = await drawMasks(model, ratios, { criterion: 'gamma', budget: 'channels', seed: 1 });
  expect(drawn).toEqual({ masks: await model.masks(ratios) });
});

test('channels that a pruning removed stay removed, whatever their gammas are', async () => {
  const dense = await addon.createModel({ arch: 'resnet', depth: 20, classes: 10, seed: 1, device: 'cpu' });
  const cfg = dense.describe().cfg.map((width) => (typeof width === 'number' ? Math.ceil(width / 2) : width));
  // New weights: all gammas are equal, those of channels that no selection takes as well.
  using ticket = await addon.createModel({ arch: 'resnet', depth: 20, classes: 10, seed: 1, device: 'cpu', cfg });
  const state = await ticket.stateDict();
  for (const [key, tensor] of state)
    if (/bn\d\.weight$|^bn\.weight$/.test(key)) {
      const gammas = floats(tensor).map((_, channel) => 0.5 + channel / 1000);
      state.set(key, { ...tensor, data: new Uint8Array(gammas.buffer) });
    }
  await ticket.loadStateDict(state);
  const scores = await ticket.scores({ criterion: 'gamma', seed: 1 });
  expect(scores.filter((score) => score === 0).length).toBeGreaterThan(100);
  const masks = await ticket.masks([0, 0.3, 0.6]);
  expect(masks).toEqual(await ticket.masks([0, 0.3, 0.6], { scores }));
  scores.forEach((score, channel) => {
    if (score === 0) expect((masks[0]!.bits[channel >> 3]! >> (7 - (channel & 7))) & 1).toBe(0);
  });
  dense.dispose();
});

test('a budget is reached by the mask that drops the fewest channels', async () => {
  using model = await network();
  const stepCosts = await model.timeWidths({ precision: 'fp32', known: {} });
  const dense = model.describe().layers;
  const flops = (layers: typeof dense) => forwardFlops(layers);
  const parameters = (layers: typeof dense) => layers.reduce((sum, layer) => sum + layerParameters(layer), 0);
  const cutting = { emptyLayers: 'keep-one' as const };
  for (const [budget, cost] of [['flops', flops] as const, ['params', parameters] as const]) {
    const { masks, scores } = await drawMasks(model, [0.4], { criterion: 'l1', budget, seed: 1 });
    const share = async (bits: Uint8Array) => {
      const cut = await model.prune({ ...cutting, mask: bits, scores: scores! });
      using ticket = cut.model;
      return 1 - cost(ticket.describe().layers) / cost(dense);
    };
    expect(masks[0]!.ratio).toBe(0.4);
    expect(await share(masks[0]!.bits)).toBeGreaterThanOrEqual(0.4);
    // One channel more, and the share is not reached.
    const place = masks[0]!.total - masks[0]!.kept - 1;
    const [larger] = await model.masks([(place - 0.5) / masks[0]!.total], { scores: scores! });
    expect(larger!.kept).toBe(masks[0]!.kept + 1);
    expect(await share(larger!.bits)).toBeLessThan(0.4);
  }
  const timed = await drawMasks(model, [0.5], { criterion: 'gamma', budget: 'time', seed: 1, stepCosts });
  const full = new Uint8Array(timed.masks[0]!.bits.length).fill(255);
  const before = (await model.plan({ ...cutting, mask: full, stepCosts })).time!;
  const after = (await model.plan({ ...cutting, mask: timed.masks[0]!.bits, stepCosts })).time!;
  expect(1 - after / before).toBeGreaterThanOrEqual(0.5);
  await expect(drawMasks(model, [0.999], { criterion: 'gamma', budget: 'flops', seed: 1 })).rejects.toMatchObject({
    code: 'ERR_PRUNE',
    message: expect.stringContaining('smaller ratio'),
  });
});

test('before training all |gamma| are equal, and no budget draws a ticket', async () => {
  using model = await addon.createModel({ arch: 'vgg', depth: 16, classes: 10, seed: 1, device: 'cpu' });
  const stepCosts = await model.timeWidths({ precision: 'fp32', known: {} });
  for (const budget of ['channels', 'params', 'flops', 'time'] as const) {
    const { masks } = await drawMasks(model, [0.3], { criterion: 'gamma', budget, seed: 1, stepCosts });
    expect(masks).toMatchObject([{ ratio: 0.3, kept: 0 }]);
  }
});

test('gradients of images are refused where there are none, and scores that are not finite by name', async () => {
  using model = await network();
  await expect(model.scores({ criterion: 'snip', seed: 1 })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  const state = new Map(await model.stateDict());
  const weight = state.get('feature.4.weight')!;
  const values = new Float32Array(weight.data.slice().buffer);
  values[5] = Number.NaN;
  await model.loadStateDict(state.set('feature.4.weight', { ...weight, data: new Uint8Array(values.buffer) }));
  await expect(model.scores({ criterion: 'l1', seed: 1 })).rejects.toMatchObject({
    code: 'ERR_NUMERIC',
    message: expect.stringMatching(/l1 .*feature\.5/),
  });
});
