/** Distances by chance against SciPy (scripts/golden/detectors.py), and thresholds for searches with a known plateau. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { calibrate } from '../../../src/study/detect/calibrate';
import { distanceByChance } from '../../../src/study/detect/chance';
import { readSearch } from '../../../src/study/detect/stored-search';
import { temporaryFolder } from '../../cli/tiny';
import { store } from './stored';

const golden = JSON.parse(readFileSync(join(__dirname, '..', '..', 'fixtures', 'detectors.json'), 'utf8'));
const folder = temporaryFolder();
afterAll(() => folder.remove());

interface Case {
  widths: number[];
  kept: number[];
  mean: number;
  sd: number;
}

describe('by chance', () => {
  test.each(golden.chance as Case[])('$kept of $widths', ({ widths, kept, mean, sd }) => {
    const seen = distanceByChance(widths, kept);
    expect(seen.mean).toBeCloseTo(mean, 13);
    expect(seen.sd).toBeCloseTo(sd, 13);
  });

  test('a layer of one channel leaves nothing to chance', () => {
    expect(distanceByChance([1, 1], [1, 0])).toEqual({ mean: 0, sd: 0 });
  });
});

const CHANNELS = 200;
/** Keeps channels `from` to `from` + 99 of 200: one that begins d later has 2d bits that differ. */
function window(from: number): Uint8Array {
  const mask = new Uint8Array(CHANNELS / 8);
  for (let c = from; c < from + 100; c++) mask[(c % CHANNELS) >> 3]! |= 0x80 >> (c & 7);
  return mask;
}

const search = async (name: string, starts: number[], more: object = {}) =>
  readSearch(
    await store(join(folder.path, name), {
      masks: starts.map(window),
      losses: starts.slice(1).map(() => 1),
      layers: [CHANNELS],
      ...more,
    }),
  );

/** Makes large steps at first, then goes to and fro between two masks. */
const settling = (count: number, step: number) =>
  Array.from({ length: count }, (_, i) => (i < 4 ? 40 - 10 * i : (i % 2) * step));

test('ratios that one of the runs alone has are told of, in any order of the runs', async () => {
  const a = await search('one-ratio', settling(24, 3));
  const b = { ...a, series: [...a.series, { ...a.series[0]!, ratio: 0.7 }] };
  for (const runs of [
    [a, b],
    [b, a],
  ]) {
    const told = calibrate(runs).map(({ ratio, folders }) => [ratio, folders.length]);
    expect(told).toEqual([
      [0.5, 2],
      [0.7, 1],
    ]);
  }
});

test('the next hundredth above the plateau, far below chance', async () => {
  const [one] = calibrate([await search('settles', settling(24, 3))]);
  expect(one).toMatchObject({ network: 'VGG-11', ratio: 0.5, channels: 200, kept: 100, betweenRuns: null });
  expect(one!.chance.mean).toBeCloseTo(0.5, 12);
  // 19 signals, the second half of them: all 0.03.
  expect(one!.plateaus).toEqual([
    expect.objectContaining({ first: 13, last: 22, median: expect.closeTo(0.03, 9), falling: false }),
  ]);
  expect(one!.threshold).toBe(0.04);
  expect(one!.reason).toBe(
    'The largest of 4 distances lies between 0.030 and 0.030 once it has levelled off at the initial learning rate; ' +
      '0.04 is the next hundredth, 8 % of the distance by chance (0.500). 0.1 lies above that range.',
  );
});

test('seeds of one network: their distance, and a threshold above the plateaus of all', async () => {
  const runs = [await search('seed-1', settling(24, 3)), await search('seed-2', settling(25, 12), { seed: 2 })];
  const [one, ...others] = calibrate(runs);
  expect(others).toEqual([]);
  // Last masks: 23 is odd and begins at 3, 24 is even and begins at 0.
  expect(one!.betweenRuns).toMatchObject({ low: expect.closeTo(0.03, 9), high: expect.closeTo(0.03, 9) });
  expect(one!.plateaus.map(({ median }) => median)).toEqual([expect.closeTo(0.03, 9), expect.closeTo(0.12, 9)]);
  expect(one!.threshold).toBe(0.13);
  expect(one!.reason).toContain('of 2 runs lies between 0.030 and 0.120');
  expect(one!.reason).toContain('0.1 lies inside that range, so that chance decides');
});

test('networks with other layers are not taken together', async () => {
  const runs = [await search('one', settling(24, 3)), await search('two', settling(24, 3), { layers: [100, 100] })];
  expect(calibrate(runs).map(({ folders }) => folders.length)).toEqual([1, 1]);
});

test('only the epochs at the initial learning rate count', async () => {
  const starts = [...settling(24, 12), ...Array.from({ length: 10 }, () => 0)];
  const dropped = await search('drop', starts, { lr: (epoch: number) => (epoch < 22 ? 0.1 : 0.01) });
  expect(calibrate([dropped])[0]).toMatchObject({ threshold: 0.13, plateaus: [{ last: 22 }] });
  expect(calibrate([dropped])[0]!.reason).toContain('At 0.1 no ticket would emerge there.');
});

test('masks that move as far as chance would get no threshold', async () => {
  const wild = await search('wild', settling(24, 55));
  expect(calibrate([wild])[0]).toMatchObject({
    threshold: null,
    reason: expect.stringContaining('no threshold tells'),
  });
});

test('a search that is too short gets none, and one that still falls is said to', async () => {
  const short = calibrate([await search('short', settling(10, 3))])[0]!;
  expect(short).toMatchObject({ threshold: null, plateaus: [] });
  expect(short.reason).toContain('has the masks of 13 or more epochs');
  const falls = Array.from({ length: 40 }, (_, i) => Math.round(60 * (1 - Math.exp(-i / 12))));
  const falling = calibrate([await search('falls', falls)])[0]!;
  expect(falling.plateaus[0]!.falling).toBe(true);
  expect(falling.reason).toContain('It was still falling');
});
