import fc from 'fast-check';
import type { LayerInfo } from '../../src/native/types/model';
import { placeOf, shareGone } from '../../src/prune/budget';

const conv = (width: number): LayerInfo => ({
  ...{ kind: 'conv', key: 'a', in: 3, out: width, kernel: 3, groups: 1, bias: false, height: 8, width: 8 },
});
const relu = (channels: number): LayerInfo => ({ kind: 'relu', key: 'r', channels, height: 8, width: 8 });
const planned = (width: number, time: number | null = null) => ({ network: [conv(width), relu(width)], time });

test('shares are of the costs that a plan tells', () => {
  expect(shareGone('params', planned(16), planned(4))).toBe(0.75);
  expect(shareGone('flops', planned(16), planned(12))).toBe(0.25);
  expect(shareGone('time', planned(16, 80), planned(12, 20))).toBe(0.75);
  expect(shareGone('time', planned(16), planned(12))).toBeNaN();
});

test('the first place that reaches a share, as a search through all places finds it', async () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(shares, fc.double({ min: 0, max: 1, noNaN: true }), async (list, share) => {
      const rising = list.sort((a, b) => a - b);
      const first = rising.findIndex((gone) => gone >= share);
      expect(await placeOf(share, rising.length, async (place) => rising[place]!)).toBe(first < 0 ? null : first);
    }),
  );
});

test('few places are looked at', async () => {
  let looked = 0;
  await placeOf(0.5, 26_560, async (place) => {
    looked++;
    return place / 26_560;
  });
  expect(looked).toBeLessThanOrEqual(16);
});

test('a cost that is not known reaches nothing', async () => {
  expect(await placeOf(0.1, 8, async () => Number.NaN)).toBeNull();
});
