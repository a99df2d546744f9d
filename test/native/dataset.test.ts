import { createHash } from 'node:crypto';
/** Batches of the resident dataset against a plain twin in TypeScript, and the promises its randomness makes. */
import { addon, floats, smallDataset, smallModel, smallSpec } from '../support/small-handles';

/** Philox4x32-10 (Salmon et al. 2011) with BigInt: slow and plain. */
function philox(seed: bigint, counter: [bigint, bigint, bigint, bigint]): bigint[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter;
  let k0 = seed & mask;
  let k1 = seed >> 32n;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3];
}

test('the twin is Philox: known answers of the Random123 distribution', () => {
  expect(philox(0n, [0n, 0n, 0n, 0n]).map((word) => word.toString(16))).toEqual([
    '6627e8d5',
    'e169c58d',
    'bc57ac4c',
    '9b00dbd8',
  ]);
});

const MEAN = [0.4914, 0.4822, 0.4465].map(Math.fround);
const STD = [0.2023, 0.1994, 0.201].map(Math.fround);

/** docs/reference.md#3 for one image: pad, crop, flip, scale, threshold, normalise. */
function expected(
  pixels: Uint8Array,
  index: number,
  seed: number,
  epoch: number,
  padding: number,
  flip: boolean,
  threshold: number,
) {
  const words = philox(BigInt(seed), [BigInt(index), 0n, BigInt(epoch), 2n]);
  const span = BigInt(2 * padding + 1);
  const top = Number((words[0]! * span) >> 32n) - padding;
  const left = Number((words[1]! * span) >> 32n) - padding;
  const flipped = flip && words[2]! >> 31n === 1n;
  const out = new Float32Array(3072);
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < 32; y++)
      for (let x = 0; x < 32; x++) {
        const fromY = y + top;
        const fromX = (flipped ? 31 - x : x) + left;
        const inside = fromY >= 0 && fromY < 32 && fromX >= 0 && fromX < 32;
        let value = Math.fround((inside ? pixels[(fromY * 32 + fromX) * 3 + c]! : 0) / 255);
        if (threshold > 0 && !(value > Math.fround(threshold))) value = 0;
        out[(c * 32 + y) * 32 + x] = Math.fround(Math.fround(value - MEAN[c]!) / STD[c]!);
      }
  return out;
}

test.each([
  { padding: 4, flip: true, threshold: 0 },
  { padding: 0, flip: false, threshold: 0 },
  { padding: 4, flip: true, threshold: 0.5 },
  { padding: 40, flip: true, threshold: 0 },
])(
  'crop, flip, threshold and normalisation equal the plain twin to the bit: %p',
  async ({ padding, flip, threshold }) => {
    const spec = smallSpec(20, { padding, flip, threshold });
    const dataset = await addon.createDataset(spec);
    const indexes = [3, 0, 19, 7, 7];
    const { images, labels } = await dataset.batch(indexes, { seed: 5, epoch: 3 });
    dataset.dispose();
    expect(images.shape).toEqual([5, 3, 32, 32]);
    expect([...labels]).toEqual([3, 0, 9, 7, 7]);
    const got = floats(images);
    indexes.forEach((index, i) => {
      const pixels = spec.images.subarray(index * 3072, (index + 1) * 3072);
      expect(got.subarray(i * 3072, (i + 1) * 3072)).toEqual(expected(pixels, index, 5, 3, padding, flip, threshold));
    });
  },
);

test('draws change with epoch, seed and image, and with nothing else', async () => {
  const dataset = await smallDataset(64);
  const indexes = Array.from({ length: 64 }, (_, i) => i);
  const batch = async (seed: number, epoch: number) =>
    Buffer.from((await dataset.batch(indexes, { seed, epoch })).images.data);
  const one = await batch(1, 0);
  const { threads } = addon.runtime();
  addon.setThreads(1);
  expect((await batch(1, 0)).equals(one)).toBe(true);
  addon.setThreads(threads);
  expect((await batch(1, 1)).equals(one)).toBe(false);
  expect((await batch(2, 0)).equals(one)).toBe(false);
  dataset.dispose();
});

test('a filter is applied to the cropped pixels, before scaling', async () => {
  const spec = smallSpec(4, { padding: 0, flip: false, mean: [0, 0, 0], std: [1, 1, 1] });
  for (const kind of ['lowpass', 'highpass'] as const) {
    const dataset = await addon.createDataset({ ...spec, filter: { kind, sigma: 1 } });
    const got = floats((await dataset.batch([2], { seed: 1, epoch: 0 })).images);
    const filtered = await addon.filterImages(spec.images.slice(2 * 3072, 3 * 3072), [1, 32, 32, 3], {
      kind,
      sigma: 1,
    });
    for (let i = 0; i < 3072; i++) {
      const [c, pixel] = [Math.floor(i / 1024), i % 1024];
      expect(got[i]).toBe(Math.fround(filtered[pixel * 3 + c]! / 255));
    }
    dataset.dispose();
  }
});

test('a constant image has no edges: the high-pass gives zeros, not NaN cast to bytes', async () => {
  const out = await addon.filterImages(new Uint8Array(3072).fill(200), [1, 32, 32, 3], { kind: 'highpass', sigma: 1 });
  expect(out.every((pixel) => pixel === 0)).toBe(true);
});

/** sha256 (start) of scipy.ndimage.gaussian_filter(image, sigma) of scipy 1.17.1 and NumPy 2.4.6, of both images below. */
const LOW_PASS: [sigma: number, sha256: string][] = [
  [0.3, '4ef199f9896939b7'],
  [0.5, 'edf96bf611e263f9'],
  [0.7, '60cad1f37d6c88d6'],
  [1, '5b5dbfa42c04472e'],
  [1.5, 'f8a8e3a196c8ff96'],
  [1.7, 'd162b29f5f99ab2b'],
  [2, '84068f068d0f492a'],
  [2.5, 'a7712f2add43c003'],
  [3, '173b0c2a47a13f11'],
  [3.3, '276691fa24a978d2'],
  [4, '010afbd01c047ec0'],
  [5, '07703ec8022f4d70'],
  [6.5, '68a558d2eca94bd1'],
  [8, '40e2b0262561cadf'],
  [13, '1da401f2832c8be9'],
  [16, 'da64b63f64c9a6a4'],
  [17, '0535eecbb48d3af7'],
  [20, '2c3bc7f87a7f13b9'],
  [33.3, 'a99fd7cb3a22b09a'],
  [40, 'f44cfecde463fb85'],
];

test.each(LOW_PASS)('the low-pass of sigma %d has the pixels of scipy', async (sigma, sha256) => {
  // Sums of the weights that differ in the last bit show in pixels whose exact value is a whole number.
  const step = Uint8Array.from({ length: 3072 }, (_, i) => {
    const [y, x, c] = [Math.floor(i / 96), Math.floor(i / 3) % 32, i % 3];
    return (x < 16 ? 200 : 60) + 7 * c + Math.floor(y / 8);
  });
  const hash = createHash('sha256');
  for (const image of [step, new Uint8Array(3072).fill(200)])
    hash.update(await addon.filterImages(image, [1, 32, 32, 3], { kind: 'lowpass', sigma }));
  expect(hash.digest('hex').slice(0, 16)).toBe(sha256);
});

test.each([
  ['labels outside the classes', { classes: 5 }, 'ERR_DATASET'],
  ['too few pixels', { images: new Uint8Array(100) }, 'ERR_SHAPE'],
  ['an unknown filter', { filter: { kind: 'bandpass' as 'none', sigma: 1 } }, 'ERR_USAGE'],
  ['an unknown device', { device: 'tpu' }, 'ERR_DEVICE'],
  ['a device that is not there', { device: 'cuda:99' }, 'ERR_DEVICE'],
])('refuses %s', async (_name, wrong, code) => {
  await expect(smallDataset(10, wrong)).rejects.toMatchObject({ code });
});

/** In arithmetic of 64 bits the products of these sizes are 0, or the number of bytes that are there. */
test.each([
  ['2^64 pixels are 0', { height: 2 ** 32, width: 2 ** 32, images: new Uint8Array(0) }],
  ['2^65 pixels are 0', { height: 2 ** 40, width: 2 ** 25, images: new Uint8Array(0) }],
  ['30720 bytes, and 30 * 2^63', { height: 3072, width: 3002399751580331 }],
])('sizes whose product wraps are refused, not allocated: %s', async (_name, wrong) => {
  await expect(smallDataset(10, wrong)).rejects.toMatchObject({
    code: 'ERR_SHAPE',
    message: expect.stringMatching(
      /^"images" holds \d+ bytes; its shape \(10, \d+, \d+, 3\) needs more than any memory has\.$/,
    ),
  });
});

test('the same of images to filter, and of weights', async () => {
  const refusal = {
    code: 'ERR_SHAPE',
    message: expect.stringMatching(
      /holds 0 bytes; its shape \(4294967296, 4294967296\b.*needs more than any memory has\.$/,
    ),
  };
  const none = new Uint8Array(0);
  const filter = { kind: 'lowpass', sigma: 1 } as const;
  await expect(addon.filterImages(new Uint8Array(48), [2 ** 62, 4, 4, 3], filter)).rejects.toMatchObject({
    code: 'ERR_USAGE',
  });
  await expect(addon.filterImages(new Uint8Array(48), [2 ** 52, 2 ** 12, 4, 3], filter)).rejects.toMatchObject({
    code: 'ERR_SHAPE',
  });
  await expect(addon.filterImages(new Uint8Array(48), [1.5, 4, 4, 3], filter)).rejects.toMatchObject({
    code: 'ERR_USAGE',
  });
  using model = await smallModel();
  const state = await model.stateDict();
  state.set('classifier.weight', { dtype: 'float32', shape: [2 ** 32, 2 ** 32], data: none });
  await expect(model.loadStateDict(state)).rejects.toMatchObject(refusal);
});
