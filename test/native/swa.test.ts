/** Weight averaging, statistics estimated anew, and protective masks. */

import type { StateDict, TensorData } from '../../src/tensor';
import { addon, floats, smallDataset, smallModel, smallTrainer } from '../support/small-handles';

const isParameter = (key: string) => /(weight|bias)$/.test(key);
const counted = (state: StateDict, key: string) => Number(new BigInt64Array(state.get(key)!.data.slice().buffer)[0]);

test('an average is two products and a sum in float32, each rounded, and leaves buffers alone', async () => {
  const [mean, added] = [await smallModel(), await smallModel({ seed: 2 })];
  const [before, others] = [await mean.stateDict(), await added.stateDict()];
  const share = 1 / 3;
  await mean.average(added, share);
  const { fround } = Math;
  const [keep, take] = [fround(1 - share), fround(share)];
  for (const [key, tensor] of await mean.stateDict()) {
    if (!isParameter(key)) {
      expect(tensor).toEqual(before.get(key));
      continue;
    }
    const [a, b] = [floats(before.get(key)!), floats(others.get(key)!)];
    expect(floats(tensor)).toEqual(a.map((value, i) => fround(fround(value * keep) + fround(b[i]! * take))));
  }
  const narrow = await smallModel({ cfg: [8, 'M', 12, 'M', 16, 'M', 15, 'M', 10] });
  await expect(mean.average(narrow, 0.5)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  for (const handle of [mean, added, narrow]) handle.dispose();
});

test('statistics are the mean over the batches of one training pass, and nothing is left of the old ones', async () => {
  const images = { seed: 5, epoch: 3, precision: 'fp32' } as const;
  const dataset = await smallDataset(70);
  const model = await smallModel();
  const trainer = await smallTrainer(model);
  await trainer.epoch({ dataset, epoch: 0, lr: 0.05, batchSize: 16 });
  const at = async (batchSize: number) => {
    const { images: seen, loss } = await model.estimateNorms({ dataset, batchSize, ...images });
    expect(seen).toBe(70);
    expect(loss).toBeGreaterThan(0);
    return model.stateDict();
  };
  const whole = await at(70);
  const ragged = await at(32);
  expect(counted(ragged, 'feature.1.num_batches_tracked')).toBe(5 + 1 + 3);
  const apart = (key: string, a: StateDict, b: StateDict) => {
    const [x, y] = [floats(a.get(key)!), floats(b.get(key)!)];
    return Math.max(...x.map((value, i) => Math.abs(value - y[i]!) / (1e-3 + Math.abs(value))));
  };
  // The first layer's means do not depend on how images are grouped; later layers see normalised batches.
  expect(apart('feature.1.running_mean', whole, ragged)).toBeLessThan(1e-4);
  expect(apart('feature.5.running_var', whole, ragged)).toBeGreaterThan(0);
  // With one batch they are those of the batch, towards which a training step moves them.
  const batch = await dataset.batch(
    Array.from({ length: 70 }, (_, i) => i),
    { seed: images.seed, epoch: images.epoch },
  );
  await model.loadStateDict(whole);
  await model.forward(batch.images, { train: true });
  expect(apart('feature.1.running_mean', whole, await model.stateDict())).toBeLessThan(1e-4);
  expect(apart('feature.1.running_var', whole, await model.stateDict())).toBeLessThan(1e-4);
  // The momentum is back at 0.1.
  const far = new Map(whole);
  const moved = floats(whole.get('feature.1.running_mean')!).map((value) => value + 1);
  far.set('feature.1.running_mean', { ...whole.get('feature.1.running_mean')!, data: new Uint8Array(moved.buffer) });
  await model.loadStateDict(far);
  await model.forward(batch.images, { train: true });
  const left = floats((await model.stateDict()).get('feature.1.running_mean')!);
  floats(whole.get('feature.1.running_mean')!).forEach((value, i) => {
    expect(left[i]! - value).toBeCloseTo(0.9, 4);
  });
  for (const handle of [model, trainer, dataset]) handle.dispose();
});

test('an aborted estimate gives the momentum back', async () => {
  const dataset = await smallDataset(70);
  const model = await smallModel();
  const options = { dataset, batchSize: 1, precision: 'fp32', seed: 1, epoch: 0 } as const;
  // Progress is shown after the last step at the latest: by then the momentum has been 1/70 or more.
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error('enough'));
  await model.estimateNorms({ ...options, signal: stop.signal, onProgress }).catch(() => {});
  expect(stop.signal.aborted).toBe(true);
  const key = 'feature.1.running_mean';
  const { images } = await dataset.batch([1, 2, 3], { seed: 1, epoch: 0 });
  const moved = async () => {
    await model.forward(images, { train: true });
    return floats((await model.stateDict()).get(key)!);
  };
  // The distance from the mean of the batch shrinks by a tenth each time.
  const [a, b, c] = [await moved(), await moved(), await moved()];
  a.forEach((value, i) => {
    expect((c[i]! - b[i]!) / (b[i]! - value)).toBeCloseTo(0.9, 2);
  });
  for (const handle of [model, dataset]) handle.dispose();
});

test('an estimate that is aborted before it begins leaves the statistics alone', async () => {
  const dataset = await smallDataset(70);
  const model = await smallModel();
  const { images } = await dataset.batch([1, 2, 3], { seed: 1, epoch: 0 });
  await model.forward(images, { train: true });
  const before = await model.stateDict();
  const options = { dataset, batchSize: 16, precision: 'fp32', seed: 1, epoch: 0 } as const;
  await expect(model.estimateNorms({ ...options, signal: AbortSignal.abort() })).rejects.toThrow();
  expect(await model.stateDict()).toEqual(before);
  for (const handle of [model, dataset]) handle.dispose();
});

test('the variance of one batch keeps its digits where it is small', async () => {
  const dataset = await smallDataset(16, { std: [2e4, 2e4, 2e4] });
  const model = await smallModel();
  const options = { dataset, precision: 'fp32', seed: 1, epoch: 0 } as const;
  await model.estimateNorms({ ...options, batchSize: 16 });
  const key = 'feature.1.running_var';
  const estimated = floats((await model.stateDict()).get(key)!);
  // A training step moves statistics of zero by a tenth, in which small numbers keep all digits.
  const state = await model.stateDict();
  state.set(key, { ...state.get(key)!, data: new Uint8Array(4 * estimated.length) });
  await model.loadStateDict(state);
  const { images } = await dataset.batch(
    Array.from({ length: 16 }, (_, i) => i),
    { seed: 1, epoch: 0 },
  );
  await model.forward(images, { train: true });
  const moved = floats((await model.stateDict()).get(key)!);
  expect(Math.max(...estimated)).toBeLessThan(1e-7);
  estimated.forEach((value, i) => {
    expect(value / (10 * moved[i]!)).toBeCloseTo(1, 4);
  });
  for (const handle of [model, dataset]) handle.dispose();
});

describe('protective masks', () => {
  const ascending = (values: readonly number[]) => [...values].sort((a, b) => a - b);

  /** The protective rule of docs/reference.md#8, word by word. */
  function twin(layers: number[][], ratio: number): { threshold: number; kept: boolean[] } {
    const sizes = layers.map((layer) => Math.trunc(0.9 * layer.length));
    const thresholds = layers.map((layer, l) => ascending(layer)[sizes[l]!]!);
    const pool = ascending(layers.flatMap((layer, l) => ascending(layer).slice(0, sizes[l])));
    const total = layers.flat().length;
    const threshold = pool[Math.min(Math.trunc(total * ratio), pool.length - 1)]!;
    return {
      threshold,
      kept: layers.flatMap((layer, l) => layer.map((value) => value > threshold || value > thresholds[l]!)),
    };
  }

  test.each([0, 0.1, 0.3, 0.5, 0.7, 0.89, 0.95])('at %d are those of the definition', async (ratio) => {
    const model = await smallModel({ cfg: [20, 'M', 30, 'M', 7, 'M', 1, 'M', 10] });
    const state = await model.stateDict();
    const layers = model.describe().batchNorms.map(({ key, channels }, l) => {
      // Layers of different scales, and ties.
      const values = Float32Array.from({ length: channels }, (_, i) => Math.round(8 * Math.sin(7 * i + l)) / (l + 1));
      const tensor: TensorData = { dtype: 'float32', shape: [channels], data: new Uint8Array(values.buffer) };
      state.set(`${key}.weight`, tensor);
      return [...values].map(Math.abs);
    });
    await model.loadStateDict(state);
    const [mask] = await model.masks([ratio], { protective: true });
    const expected = twin(layers, ratio);
    expect(mask!.threshold).toBe(expected.threshold);
    expect(expected.kept.map((_, i) => ((mask!.bits[i >> 3]! >> (7 - (i & 7))) & 1) === 1)).toEqual(expected.kept);
    expect(mask!.kept).toBe(expected.kept.filter(Boolean).length);
    const [plain] = await model.masks([ratio]);
    expect(await model.masks([ratio], { protective: false })).toEqual([plain]);
    model.dispose();
  });

  test('need a layer of more than one channel', async () => {
    const model = await addon.createModel({
      arch: 'vgg',
      depth: 11,
      classes: 10,
      cfg: [1, 'M', 1, 'M', 1, 'M', 1, 'M', 1],
      seed: 1,
      device: 'cpu',
    });
    await expect(model.masks([0.5], { protective: true })).rejects.toMatchObject({ code: 'ERR_PRUNE' });
    model.dispose();
  });
});
