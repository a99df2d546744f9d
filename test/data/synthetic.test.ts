import { KNOWN } from '../../src/data/known';
import { openDataset } from '../../src/data/open';
import { pick, stratifiedIndexes } from '../../src/data/subset';
import { drawSynthetic, SYNTHETIC_CLASSES } from '../../src/data/synthetic';
import { verifyDataset } from '../../src/data/verify/verify';

const small = { dataset: 'synthetic', limitTrain: 100, limitTest: 50 };

test('the synthetic set says what it is, and is the same every time and everywhere', async () => {
  const set = await openDataset(small);
  expect(set).toMatchObject({ name: 'synthetic', synthetic: true, classes: 10, height: 32, width: 32 });
  expect(set.classNames).toHaveLength(10);
  expect(set.train.images).toHaveLength(100 * 32 * 32 * 3);
  expect(set.fingerprint).toBe('b36b8a572022f43b304ed3539c7aa263e331f888ec7503b4844c7e0363bba976');
  expect((await openDataset(small)).fingerprint).toBe(set.fingerprint);
  expect((await openDataset({ ...small, seed: 2 })).fingerprint).not.toBe(set.fingerprint);
});

test('classes are balanced, train and test share no picture', async () => {
  const { train, test } = await openDataset(small);
  for (let label = 0; label < 10; label++) {
    expect(train.labels.filter((value) => value === label)).toHaveLength(10);
    expect(test.labels.filter((value) => value === label)).toHaveLength(5);
  }
  const picture = (images: Uint8Array, i: number) =>
    Buffer.from(images.subarray(i * 3072, (i + 1) * 3072)).toString('base64');
  const seen = new Set([...Array(100).keys()].map((i) => picture(train.images, i)));
  expect(seen.size).toBe(100);
  for (let i = 0; i < 50; i++) expect(seen.has(picture(test.images, i))).toBe(false);
});

test('a limit leaves out pictures but changes none', async () => {
  const [alone] = [await drawSynthetic('train', 1, Int32Array.of(77))];
  const among = await drawSynthetic('train', 1, Int32Array.of(3, 77, 500));
  expect(Buffer.from(among.images.subarray(3072, 6144)).equals(Buffer.from(alone.images))).toBe(true);
  expect(among.labels[1]).toBe(7);
});

test('colour and brightness alone tell nothing about the class', async () => {
  const indexes = Int32Array.from({ length: 400 }, (_, i) => i);
  const { images, labels } = await drawSynthetic('train', 1, indexes);
  // Twelve pixels of every picture, three channels each.
  const means = Array.from({ length: 10 }, () => [0, 0, 0]);
  for (let i = 0; i < 400; i++)
    for (let k = 0; k < 36; k++)
      means[labels[i]!]![k % 3]! += images[i * 3072 + ((255 * (k - (k % 3))) / 3) * 1 + (k % 3)]! / (40 * 12);
  for (const mean of means) for (const value of mean) expect(Math.abs(value - 127.5)).toBeLessThan(50);
});

test('verify reports the whole set as synthetic', async () => {
  const report = await verifyDataset({ dataset: 'synthetic', limitTrain: 40, limitTest: 20 });
  expect(report).toMatchObject({
    synthetic: true,
    path: null,
    problems: [],
    train: { images: 40, perClass: Array(10).fill(4) },
  });
  expect(KNOWN.synthetic.classes).toBe(SYNTHETIC_CLASSES.length);
});

describe('the stratified subset', () => {
  // 60 of class 0, 30 of class 1, 10 of class 2, mixed.
  const labels = Int32Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 2 : i % 10 < 4 ? 1 : 0));
  const shares = (indexes: Int32Array) =>
    [0, 1, 2].map((label) => indexes.filter((index) => labels[index] === label).length);
  const indexes = (limit: number | undefined, seed = 1) => stratifiedIndexes(labels, limit, seed, '--limit-train');

  test('keeps proportions by largest remainder', () => {
    expect(shares(indexes(10))).toEqual([6, 3, 1]);
    expect(shares(indexes(7))).toEqual([4, 2, 1]);
    expect(shares(indexes(1))).toEqual([1, 0, 0]);
    for (let limit = 1; limit <= 100; limit++) expect(indexes(limit)).toHaveLength(limit);
  });

  test('is ascending, without repeats, and depends on the seed only', () => {
    const some = indexes(50);
    expect([...some]).toEqual([...new Set(some)].sort((a, b) => a - b));
    expect(indexes(50)).toEqual(some);
    expect(indexes(50, 2)).not.toEqual(some);
    expect(indexes(undefined)).toHaveLength(100);
    expect(indexes(1000)).toHaveLength(100);
  });

  test('picks images with their labels', () => {
    const set = { images: Uint8Array.from({ length: 200 }, (_, i) => i >> 1), labels, count: 100 };
    const part = pick(set, Int32Array.of(3, 90));
    expect(part).toEqual({ images: Uint8Array.of(3, 3, 90, 90), labels: Int32Array.of(1, 2), count: 2 });
    expect(pick(set, indexes(undefined))).toBe(set);
  });
});
