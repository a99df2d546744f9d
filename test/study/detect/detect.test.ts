/** Detectors replayed on stored searches, whose answers are worked out by hand. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRecipe } from '../../../src/recipe/recipe';
import { detect } from '../../../src/study/detect/detect';
import { temporaryFolder } from '../../cli/tiny';
import { keeping, store } from './stored';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (name: string) => join(folder.path, name);

const recipe = (runs: string[], detectors: string[], more: object = {}) =>
  parseRecipe('detect', { runs, detectors, ...more });
const rowsOf = async (run: string, ...detectors: string[]) => (await detect(recipe([run], detectors))).runs[0]!.rows;

/** Kept channels 0 to 3 and 4 to 9 of two layers after 0, 1, ... epochs: settled from the third mask until late. */
const MASKS = [
  keeping(),
  keeping(0, 1, 4, 5),
  keeping(0, 2, 6, 7),
  keeping(0, 2, 6, 7),
  keeping(0, 2, 6, 7),
  keeping(0, 2, 6, 8),
  keeping(0, 3, 6, 8),
];
const LOSSES = [3, 2, 1.5, 1.4, 1.35, 1.34];
const TOP1 = [20, 60, 70, 75, 74, 75];

test('when each fires, what the search cost up to there, and how far its mask is from the last and the best', async () => {
  const run = await store(at('run'), { masks: MASKS, losses: LOSSES, top1: TOP1 });
  const { runs } = await detect(
    recipe([run], ['hamming:window=3,structure', 'jaccard:window=1', 'trend:window=4:smooth=1', 'loss-fifo:window=3']),
  );
  expect(runs).toEqual([expect.objectContaining({ folder: run, network: 'VGG-11', seed: 1, last: 6, best: 4 })]);
  const [hamming, structure, jaccard, trend, loss] = runs[0]!.rows;
  // The masks after 2, 3 and 4 epochs are equal. From there to the last two of four channels change, which are four bits.
  expect(hamming).toMatchObject({ detector: 'hamming:window=3', firesAfter: 4, signal: 0, top1: null, why: null });
  expect(hamming).toMatchObject({ flops: 3 * 1000 * 4 * 100, seconds: 4 * 2, joules: null, toBest: 0 });
  expect(hamming!.toLast).toBeCloseTo(0.4, 12);
  // After 2 epochs 2 of 4 and 2 of 6 channels stay, as after 1.
  expect(structure).toMatchObject({ firesAfter: 2, signal: 1, flops: 600_000, seconds: 4, top1: null });
  expect(jaccard).toMatchObject({ firesAfter: 4, signal: 1 });
  // Distances 0.4 0.6 0 0: SciPy has p = 0.2254 for the slope, pymannkendall 0.4701.
  expect(trend).toMatchObject({ firesAfter: 4, signal: expect.closeTo(0.2254033308, 9) });
  // Losses are 1.5 1.4 1.35 after 5 epochs: 0.15 of their mean loss 1.85.
  expect(loss).toMatchObject({ firesAfter: 5, signalIs: 'largest difference of losses' });
  expect(loss!.signal).toBeCloseTo(0.15 / 1.85, 12);
});

test('the mask after the last epoch comes too late for a ticket, as in the search', async () => {
  const masks = [keeping(), keeping(1, 2), keeping(1, 2), keeping(1, 2)];
  const late = await store(at('late'), { masks, losses: [1, 1, 1] });
  expect((await rowsOf(late, 'hamming:window=3'))[0]).toMatchObject({
    firesAfter: null,
    signal: expect.closeTo(0.2, 9),
  });
  // A run that goes on for longer sees it.
  const goesOn = await store(at('goes-on'), { masks, losses: [1, 1, 1], epochs: 9 });
  expect((await rowsOf(goesOn, 'hamming:window=3'))[0]).toMatchObject({ firesAfter: 3, signal: 0 });
});

test('one that does not fire says how close it came', async () => {
  const run = await store(at('never'), { masks: MASKS, losses: LOSSES });
  const [row] = await rowsOf(run, 'jaccard:threshold=1:window=2');
  expect(row).toMatchObject({ firesAfter: null, flops: null, seconds: null, toLast: null, why: null, signalAfter: 5 });
  // After 4 epochs 1 with the mask 2 before, after 5 in the second layer 1 of 3: the mean of (1 + 1) / 2 and (1 + 1/3) / 2.
  expect(row!.signal).toBeCloseTo((1 + 2 / 3) / 2, 12);
});

test('a study stands for its searches, and knows the tickets that it drew from them', async () => {
  const study = at('study');
  for (const seed of [1, 2]) await store(join(study, `seed-${seed}`, 'search'), { masks: MASKS, losses: LOSSES, seed });
  const drawn = { seed: 2, ratio: 0.5, epoch: 4, control: null, result: { top1: 91.5 } };
  writeFileSync(
    join(study, 'study.json'),
    JSON.stringify({
      searches: [{ seed: 1 }, { seed: 2 }],
      runs: [drawn, { ...drawn, control: 'random', result: { top1: 90 } }, { ...drawn, seed: 1, result: null }],
    }),
  );
  const { runs } = await detect(recipe([study], ['hamming:window=3', 'structure']));
  expect(runs.map(({ seed, rows }) => [seed, ...rows.map(({ top1 }) => top1)])).toEqual([
    [1, null, null],
    [2, 91.5, null],
  ]);
});

describe('what a run has not stored', () => {
  test('too few masks', async () => {
    const run = await store(at('short'), { masks: MASKS, losses: LOSSES, first: 4, epochs: 20 });
    const [row] = await rowsOf(run, 'trend');
    expect(row!.why).toBe(`It needs 13 masks, and ${run} has 7, the first of them after 4 epochs.`);
  });

  test('losses', async () => {
    const run = await store(at('no-losses'), { masks: MASKS, losses: LOSSES.slice(0, 3), epochs: 20 });
    const [loss, structure] = await rowsOf(run, 'loss-fifo', 'structure');
    expect(loss!.why).toBe(`It needs the training loss of every epoch, and ${run}/metrics.jsonl has none of epoch 4.`);
    expect(structure!.firesAfter).toBe(2);
  });

  test('layers', async () => {
    const run = await store(at('no-layers'), { masks: MASKS, losses: LOSSES, layers: undefined });
    const [jaccard, hamming] = await rowsOf(run, 'jaccard:window=1', 'hamming:window=3');
    expect(jaccard!.why).toContain('It needs the channels of each layer');
    expect(hamming!.firesAfter).toBe(4);
  });

  test('a result: the FLOPs are not known', async () => {
    const run = await store(at('unfinished'), { masks: MASKS, losses: LOSSES, finished: false });
    expect((await rowsOf(run, 'hamming:window=3'))[0]).toMatchObject({ firesAfter: 4, flops: null, seconds: 8 });
  });

  test('masks at a ratio, masks at all, a folder', async () => {
    const run = await store(at('ratio'), { masks: MASKS });
    const failed = (runs: string[], more = {}) => expect(detect(recipe(runs, ['hamming'], more))).rejects;
    await failed([run], { ratios: [0.3] }).toThrow(
      `${run} has no masks/30.bits: give --ratios that its search followed (0.5).`,
    );
    await failed([folder.path]).toThrow(
      `${folder.path} holds no masks (masks/index.json): give the folder of a search.`,
    );
    await failed([at('nowhere')]).toMatchObject({ code: 'ERR_FILE' });
  });
});

test('a detector that there is not is refused', () => {
  expect(() => recipe(['.'], ['hamming', 'jacard'])).toThrow(
    /--detectors hamming jacard is not possible: give some of/,
  );
});
