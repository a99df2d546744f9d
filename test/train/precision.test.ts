/** Schedules of precision: each rule by itself, and through whole runs on an engine of a few numbers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NumberFormats } from '../../src/native/types/number-formats';
import { scheduleOf } from '../../src/recipe/chosen-precision-schedule';
import { rungsOf } from '../../src/recipe/ladder';
import { formatsOf } from '../../src/recipe/precision';
import type { ScheduleName } from '../../src/recipe/precision-schedules';
import { parseRecipe } from '../../src/recipe/recipe';
import type { EpochMetrics } from '../../src/run/metrics';
import { ebTrain } from '../../src/train/eb-train';
import type { Seen } from '../../src/train/precision/schedule';
import { scheduleNamed } from '../../src/train/precision/table';
import { PrecisionWatch } from '../../src/train/precision/watch';
import { retrain } from '../../src/train/retrain';
import { search } from '../../src/train/search';
import { differences, outcomeOf, temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

let engine: FakeEngine;
jest.mock('../../src/native/addon', () => ({ loadAddon: () => engine.addon }));

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);
beforeEach(() => {
  engine = fakeEngine();
});
afterEach(() => expect(engine.alive).toBe(0));

const bits = (weight: number, activate: number): NumberFormats => ({
  ...{ weight, activate, grad: 8, error: 8, momentum: 8 },
  rounding: 'stochastic',
});

describe('a ladder', () => {
  const widths = (formats: NumberFormats, below: string[]) =>
    rungsOf(formats, below).map(({ name, formats: { weight, forwardWeight, activate, error } }) => [
      ...[name, activate, forwardWeight, weight, error],
    ]);

  test('lowers the operands of forward passes alone, and nothing that is lower or not rounded', () => {
    expect(widths(bits(8, 8), ['3', '6'])).toEqual([
      ['3', 3, 3, 8, 8],
      ['6', 6, 6, 8, 8],
      ['8', 8, undefined, 8, 8],
    ]);
    expect(widths(bits(-1, 8), ['4'])[0]).toEqual(['4', 4, undefined, -1, 8]);
    expect(widths(bits(5, 8), ['4', '6'])).toEqual([
      ['4', 4, 4, 5, 8],
      ['6', 6, undefined, 5, 8],
      ['8', 8, undefined, 5, 8],
    ]);
  });

  test('of MX formats changes formats', () => {
    const { ladder } = scheduleOf({ precisionSchedule: 'mask', epochs: 10 }, formatsOf({ format: 'mxfp8-e4m3' }))!;
    expect(
      ladder.map(({ name, formats: { weight, activate, error, grad } }) => [name, weight, activate, error, grad]),
    ).toEqual(['mxfp4', 'mxfp6-e2m3', 'mxfp8-e4m3'].map((name) => [name, name, name, 'mxfp8-e4m3', 'mxfp8-e4m3']));
    const given = ['mxfp4', 'mxfp6-e3m2'];
    expect(rungsOf(formatsOf({ format: 'mxint8' })!, given).map(({ name }) => name)).toEqual([...given, 'mxint8']);
    const kept = rungsOf(formatsOf({ format: 'mxint8', masterWeights: 'format' })!, given);
    expect(kept.map(({ formats: { weight, activate } }) => [weight, activate])).toEqual(
      [...given, 'mxint8'].map((name) => ['mxint8', name]),
    );
    expect(() => rungsOf(formatsOf({ format: 'mxint8' })!, ['5'])).toThrow('give MX formats or nvfp4');
    expect(() => scheduleOf({ precisionSchedule: 'cpt', epochs: 10 }, formatsOf({ format: 'nvfp4' }))).toThrow(
      'no rung below nvfp4',
    );
  });

  test.each([
    [bits(8, 8), ['4', '4'], '--precision-ladder 4 4 is not possible'],
    [bits(8, 8), ['6', '4'], 'more bits than the one before'],
    [bits(8, 8), ['8'], 'below 8'],
    [bits(8, 8), ['mxfp4'], '--precision-ladder mxfp4'],
    [bits(8, 8), ['toString'], '--precision-ladder toString'],
    [bits(8, -1), ['4'], 'is not rounded'],
  ])('that does not rise is refused', (formats, below, message) => {
    expect(() => rungsOf(formats, below)).toThrow(expect.objectContaining({ code: 'ERR_RECIPE' }));
    expect(() => rungsOf(formats, below)).toThrow(message);
  });

  test.each([
    ['cpt', 8, '3 4 5 6 7 8'],
    ['pfq', 8, '3 4 6 8'],
    ['mask', 8, '4 5 6 7 8'],
    ['mask', 6, '4 5 6'],
    ['pfq', 5, '3 4 5'],
  ] as const)('%s up to %d bits: %s', (precisionSchedule, width, names) => {
    const { ladder } = scheduleOf({ precisionSchedule, epochs: 10 }, bits(width, width))!;
    expect(ladder.map(({ name }) => name).join(' ')).toBe(names);
  });

  test('has something below the formats of the run', () => {
    const recipe = { precisionSchedule: 'mask', epochs: 10 } as const;
    expect(() => scheduleOf(recipe, bits(4, 4))).toThrow('no rung below 4');
    expect(() => scheduleOf(recipe, undefined)).toThrow('--precision-schedule mask needs low precision');
    expect(scheduleOf({ precisionSchedule: 'static', epochs: 10 }, undefined)).toBeUndefined();
  });
});

/** The rungs of a training that shows these values. */
function climb(name: ScheduleName, settings: object, shown: Partial<Seen>[]): number[] {
  const all = { top: 5, cycles: 1, threshold: 0.1, decay: 1, ...settings };
  let rung: number | null = null;
  return shown.map((seen, epoch) => {
    const nothing = { losses: [], distance: null, drawn: false };
    rung = scheduleNamed(name)({ ...nothing, epoch, epochs: shown.length, rung, ...seen }, all);
    return rung;
  });
}

describe('schedules', () => {
  const epochs = (count: number) => Array.from({ length: count }, () => ({}));

  test('static stays', () => expect(climb('static', {}, epochs(3))).toEqual([5, 5, 5]));

  test('cpt: half a cosine from 3 to 8 bits in each cycle', () => {
    const cycle = [0, 0, 2, 3, 5]; // 2.5 (1 - cos(k pi / 5)): 0, 0.48, 1.73, 3.27, 4.52
    expect(climb('cpt', { cycles: 2 }, epochs(10))).toEqual([...cycle, ...cycle]);
    // The cycle is no whole number of epochs: three cycles share ten epochs.
    expect(climb('cpt', { cycles: 3 }, epochs(10))).toEqual([0, 1, 3, 5, 0, 2, 5, 0, 2, 4]);
  });

  test('pfq: a rung each time that five losses differ by less than a threshold that decays', () => {
    const losses = [2, 2, 2, 2, 2, 1.9, 1.9, 1.9, 1.9, 1.9, 1, 1, 1, 1, 1.5, 1, 1, 1, 1];
    const shown = losses.map((_, i) => ({ losses: losses.slice(0, i) }));
    const rungs = climb('pfq', { top: 3, threshold: 0.15, decay: 0.4 }, [...shown, { losses }]);
    expect(rungs).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    expect(climb('pfq', { top: 1, threshold: 0.15, decay: 0.4 }, shown).at(-1)).toBe(1);
  });

  test('mask: a rung after each epoch that moves the masks little, the top with the tickets', () => {
    const distances = [null, 0.3, 0.1, 0.09, 0.2, 0, 0.01];
    const shown = distances.map((distance) => ({ distance }));
    expect(climb('mask', { top: 2 }, shown)).toEqual([0, 0, 0, 1, 1, 2, 2]);
    expect(climb('mask', {}, [...shown.slice(0, 4), { distance: 0.5, drawn: true }])).toEqual([0, 0, 0, 1, 5]);
  });
});

test('masks of gammas that are still equal have not settled', () => {
  const watch = new PrecisionWatch(scheduleOf({ precisionSchedule: 'mask', epochs: 9 }, bits(8, 8))!);
  const mask = (byte: number, kept: number) => ({ ratio: 0.5, bits: Uint8Array.of(byte), kept, total: 8 });
  const seen = (...masks: ReturnType<typeof mask>[]) =>
    masks.map((one, epoch) => watch.observe({ epoch, epochs: 9, masks: [one], loss: null, drawn: false }).distance);
  expect(seen(mask(0, 0), mask(0, 0), mask(0b1000_0000, 1), mask(0b1110_0000, 3), mask(0b1110_0000, 3))).toEqual([
    null,
    null,
    null,
    0.25,
    0,
  ]);
  expect(watch.rung.name).toBe('5');
});

const BASE = {
  ...{ dataset: 'synthetic', limitTrain: 20, limitTest: 10, device: 'cpu', report: false },
  ...{ batchSize: 4, testBatchSize: 8 },
};
const LOW = { wlWeight: 8, wlActivate: 8, wlGrad: 8, wlError: 8, wlMomentum: 8 };
const MASK = { precisionSchedule: 'mask', precisionThreshold: 2, detectorWindow: 3, detectorThreshold: 1 };

const searching = (save: string, more: object = {}) =>
  search(parseRecipe('search', { ...BASE, ...LOW, ...MASK, epochs: 6, save: at(save), ...more }));
const metricsOf = (...names: string[]): EpochMetrics[] =>
  readFileSync(at(...names, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const forwards = (...names: string[]) => metricsOf(...names).map(({ arithmetic }) => arithmetic!.forward);

describe('a search whose bits follow its masks', () => {
  test('rises as they settle, and has all bits once the tickets are drawn', async () => {
    const log: string[] = [];
    const options = { observer: { log: (line: string) => log.push(line) } };
    const recipe = { ...BASE, ...LOW, ...MASK, epochs: 6, save: at('mask') };
    await search(parseRecipe('search', recipe), options);
    // The first distance is known before the second epoch, the tickets emerge with the third mask.
    expect(forwards('mask')).toEqual(['4', '5', '8', '8', '8', '8']);
    expect(engine.formats.map(({ activate, forwardWeight, weight }) => [activate, forwardWeight, weight])).toEqual([
      [4, 4, 8],
      [5, 5, 8],
      ...Array.from({ length: 4 }, () => [8, undefined, 8]),
    ]);
    expect(log.filter((line) => line.startsWith('forward passes'))).toEqual([
      'forward passes in 4 bits from epoch index 0 on',
      expect.stringMatching(/^forward passes in 5 bits from epoch index 1 on \(mask distance \d\.\d{3}\)$/),
      expect.stringMatching(/^forward passes in 8 bits from epoch index 2 on/),
    ]);
    const lines = metricsOf('mask');
    expect(lines.map(({ arithmetic }) => arithmetic!.bits)).toEqual(
      [4, 5, 8, 8, 8, 8].map((width) => ({ weight: width, activate: width, error: 8, grad: 8 })),
    );
    const costs = lines.map(({ arithmetic }) => arithmetic!.gbitops);
    expect(costs[0]).toBeLessThan(costs[1]!);
    expect(costs[2]).toBe(costs[5]);
  });

  test('waits where they do not settle', async () => {
    await searching('restless', { precisionThreshold: 0, epochs: 4, detectorWindow: 9 });
    expect(forwards('restless')).toEqual(['4', '4', '4', '4']);
  });

  test.each([1, 2, 3, 4])('goes on after a break in epoch %d as if there had been none', async (broken) => {
    await searching(`whole-${broken}`);
    let epochs = 0;
    engine = fakeEngine();
    engine.before = (what) => {
      if (what === 'epoch' && epochs++ === broken) throw new Error('killed');
    };
    await expect(searching(`broken-${broken}`)).rejects.toThrow('killed');
    engine = fakeEngine();
    await searching(`broken-${broken}`);
    expect(forwards(`broken-${broken}`)).toEqual(['4', '5', '8', '8', '8', '8']);
    expect(differences(outcomeOf(at(`broken-${broken}`)), outcomeOf(at(`whole-${broken}`)))).toEqual([]);
  });

  test('is another run with another detector, whose tickets would have come at another time', async () => {
    await searching('detector');
    await expect(searching('detector', { detectorThreshold: 0.5 })).rejects.toMatchObject({ code: 'ERR_RECIPE' });
  });
});

test('without a schedule lines say the bits, and identities are those of before', async () => {
  await searching('static', { ...MASK, precisionSchedule: 'static', precisionThreshold: undefined, epochs: 1 });
  expect(metricsOf('static')[0]!.arithmetic).toEqual({
    bits: { weight: 8, activate: 8, error: 8, grad: 8 },
    gbitops: expect.any(Number),
    modelledJoules: expect.any(Number),
  });
  const { identity } = JSON.parse(readFileSync(at('static', 'params.json'), 'utf8'));
  expect(Object.keys(identity).filter((key) => key.startsWith('precisionS'))).toEqual([]);
  expect(engine.formats).toEqual([]);
});

describe('EB Train', () => {
  const train = (save: string, more: object) =>
    ebTrain(
      parseRecipe('train', {
        ...BASE,
        detectorWindow: 3,
        detectorThreshold: 1,
        epochs: 6,
        measure: false,
        save: at(save),
        ...more,
      }),
    );
  const folderOf = async (save: string, more: object) => (await train(save, more)).result.retrain.directory;
  const forwardsIn = (path: string) =>
    readFileSync(join(path, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as EpochMetrics).arithmetic!.forward);

  test('mask: 8 bits where no word length is given, and all of them for the ticket', async () => {
    const retraining = await folderOf('eb-mask', { precisionSchedule: 'mask', precisionThreshold: 2 });
    expect(forwards('eb-mask', 'search')).toEqual(['4', '5']);
    expect(forwardsIn(retraining)).toEqual([undefined, undefined, undefined, undefined]);
    expect(engine.models.at(-1)!.formats).toMatchObject({ weight: 8, activate: 8 });
  });

  test('cpt: cycles go on in the retraining', async () => {
    const retraining = await folderOf('eb-cpt', { precisionSchedule: 'cpt', precisionCycles: 2 });
    expect([...forwards('eb-cpt', 'search'), ...forwardsIn(retraining)]).toEqual(['3', '4', '7', '3', '4', '7']);
  });

  test('pfq: the ticket goes on where the search was', async () => {
    const settled = { precisionSchedule: 'pfq', precisionThreshold: 1e9, epochs: 12, detectorWindow: 8 };
    const retraining = await folderOf('eb-pfq', settled);
    expect(forwards('eb-pfq', 'search')).toEqual(['3', '3', '3', '3', '3', '4', '4']);
    expect(forwardsIn(retraining)).toEqual(['4', '4', '4', '4', '4']);
    const { identity } = JSON.parse(readFileSync(join(retraining, 'params.json'), 'utf8'));
    expect(identity).toMatchObject({ precisionLadder: ['4', '6'], precisionThreshold: 4e8, precisionDecay: 0.4 });
  });

  test('lf: the retraining is in full precision', async () => {
    const retraining = await folderOf('eb-lf', { variant: 'lf', precisionSchedule: 'cpt' });
    expect(forwardsIn(retraining)).toEqual([undefined, undefined, undefined, undefined]);
    expect(engine.models.at(-1)!.formats).toBeUndefined();
  });
});

test('a retraining alone climbs by its losses', async () => {
  const recipe = { ...BASE, ...LOW, precisionSchedule: 'pfq', precisionThreshold: 1e9, epochs: 6, save: at('alone') };
  await retrain(parseRecipe('retrain', { ...recipe, dataset: 'synthetic' }));
  expect(forwards('alone')).toEqual(['3', '3', '3', '3', '3', '4']);
});

describe('contradictions are refused', () => {
  test.each([
    ['search', { ...LOW, precisionCycles: 3 }, '--precision-cycles does nothing with --precision-schedule static'],
    ['search', { ...LOW, precisionSchedule: 'mask', precisionDecay: 1 }, '--precision-decay does nothing'],
    ['retrain', { ...LOW, precisionSchedule: 'mask' }, 'a retraining draws none'],
    ['train', { variant: 'ff', precisionSchedule: 'cpt' }, '--variant ff has none'],
  ] as const)('%s %j', (command, more, message) => {
    expect(() => parseRecipe(command, { ...BASE, save: at('never'), ...more })).toThrow(message);
  });

  test('a search in full precision', async () => {
    const recipe = parseRecipe('search', { ...BASE, precisionSchedule: 'mask', save: at('never') });
    await expect(search(recipe)).rejects.toMatchObject({
      code: 'ERR_RECIPE',
      message: expect.stringContaining('give --format, or the --wl options'),
    });
  });
});
