/** Weight averaging through whole runs, on an engine of a few numbers. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { type Dict, numbersOf } from '../../src/checkpoint/value';
import { parseRecipe } from '../../src/recipe/recipe';
import { averageOf } from '../../src/train/resume';
import { search } from '../../src/train/search';
import { differences, outcomeOf, temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

let engine: FakeEngine;
jest.mock('../../src/native/addon', () => ({ loadAddon: () => engine.addon }));
/** Called before a checkpoint is written; may throw instead. */
let beforeWriting: (file: string) => void;
jest.mock('../../src/checkpoint/pth', () => {
  const real = jest.requireActual('../../src/checkpoint/pth');
  return {
    ...real,
    writeCheckpoint: async (file: string, ...rest: unknown[]) => {
      beforeWriting(file);
      return real.writeCheckpoint(file, ...rest);
    },
  };
});

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

beforeEach(() => {
  engine = fakeEngine();
  beforeWriting = () => {};
});
afterEach(() => expect(engine.alive).toBe(0));

const BASE = {
  dataset: 'synthetic',
  limitTrain: 20,
  limitTest: 10,
  device: 'cpu',
  report: false,
  batchSize: 4,
  testBatchSize: 8,
};
const LOW = { wlWeight: 8, wlActivate: 8, wlGrad: 8, wlError: 8, wlMomentum: 8 };
const SWA = { swa: true, swaStart: 2 };
const EAGER = { detectorWindow: 2, detectorThreshold: 1 };

const run = (save: string, more: object = {}) =>
  search(parseRecipe('search', { ...BASE, ...LOW, ...SWA, epochs: 6, save: at(save), ...more }));
const weightsOf = async (...names: string[]) => stateDictOf((await readCheckpoint(at(...names))).value);
const lines = (...names: string[]) =>
  readFileSync(at(...names), 'utf8')
    .trim()
    .split('\n');

test('the average is the mean of the epochs from its start on, in full precision, with fields of its own', async () => {
  const { result } = await run('mean');
  const metrics = lines('mean', 'metrics.jsonl').map((line) => JSON.parse(line));
  expect(metrics.map(({ swa }) => swa?.n)).toEqual([undefined, undefined, 1, 2, 3, 4]);
  expect(result.swa).toEqual({ ...metrics.at(-1).swa, file: at('mean', 'swa.pth.tar') });
  expect(engine.models.map(({ formats }) => formats?.weight)).toEqual([8, undefined]);

  const key = 'feature.0.weight';
  const raw = await Promise.all([2, 3, 4, 5].map((epoch) => weightsOf('mean', `ckpt${epoch}.pth.tar`)));
  const mean = raw.reduce((total, state) => total + numbersOf(state.get(key)!)[0]!, 0) / raw.length;
  const value = (await readCheckpoint(at('mean', 'swa.pth.tar'))).value as Dict;
  expect([...value.keys()]).toEqual(['epoch', 'state_dict', 'prec1', 'optimizer', 'earlybird']);
  expect(value.get('epoch')).toBe(6);
  expect(value.get('prec1')).toBe(result.swa!.top1);
  const state = value.get('state_dict') as Dict;
  expect([...state.keys()]).toContain(key);
  expect(numbersOf(state.get(key) as never)[0]).toBeCloseTo(mean, 5);

  const checkpoint = (await readCheckpoint(at('mean', 'checkpoint.pth.tar'))).value as Dict;
  expect([...(checkpoint.get('state_dict') as Dict).keys()]).toContain('feature.0.0.weight');
  expect(checkpoint.get('swa_n')).toBe(4);
});

test('record.txt has the fourth column of the low-precision scripts', async () => {
  await run('record', { epochs: 3 });
  const rows = lines('record', 'record.txt').map((line) => line.split(',').map(Number));
  expect(rows.map((row) => row.length)).toEqual([4, 4, 4]);
  expect([rows[0]![3], rows[1]![3]]).toEqual([0, 0]);
  const metrics = lines('record', 'metrics.jsonl').map((line) => JSON.parse(line));
  const top1 = metrics.at(-1).swa.top1BatchMean;
  expect(rows[2]).toEqual([Math.max(...metrics.map(({ test }) => test.top1BatchMean)), top1, expect.any(Number), top1]);

  await run('plain', { ...Object.fromEntries(Object.keys(LOW).map((key) => [key, -1])), swa: false, epochs: 1 });
  expect(lines('plain', 'record.txt')[0]!.split(',')).toHaveLength(3);
  await run('no-average', { swa: false, epochs: 1 });
  expect(lines('no-average', 'record.txt')[0]!.split(',').at(-1)!.trim()).toBe('0.00000');
});

describe('a run that breaks and goes on equals one that does not', () => {
  let whole: Record<string, string>;
  beforeAll(async () => {
    engine = fakeEngine();
    beforeWriting = () => {};
    await run('whole', EAGER);
    whole = outcomeOf(at('whole'));
  });

  const moments: [string, (count: (what: string) => number) => boolean][] = [
    ['before averaging', (count) => count('epoch') === 2],
    ['in the first average', (count) => count('average') === 1],
    ['in the statistics of the third average', (count) => count('norms') === 3],
    ['while the second average is tested', (count) => count('norms') === 2 && count('evaluate') === 6],
    ['while the second swa.pth.tar is written', (count) => count('swa.pth.tar') === 2],
    ['between swa.pth.tar and checkpoint.pth.tar', (count) => count('ckpt4.pth.tar') === 1],
  ];
  test.each(moments)('%s', async (name, moment) => {
    const seen = new Map<string, number>();
    let broken = false;
    const event = (what: string) => {
      seen.set(what, (seen.get(what) ?? 0) + 1);
      if (broken || !moment((other) => seen.get(other) ?? 0)) return;
      broken = true;
      throw new Error('killed');
    };
    engine.before = event;
    beforeWriting = (file) => event(file.split('/').at(-1)!);
    const save = name.replaceAll(' ', '-');
    await expect(run(save, EAGER)).rejects.toThrow('killed');
    await run(save, EAGER);
    expect(differences(outcomeOf(at(save)), whole)).toEqual([]);
    rmSync(at(save), { recursive: true });
  });
});

test('tests round as --test-rounding says, but the average does not', async () => {
  await run('rounding', { epochs: 3, testRounding: 'nearest' });
  expect(engine.evaluations.map(({ rounding }) => rounding)).toEqual(['nearest', 'nearest', 'nearest', undefined]);
});

test('an average of other epochs than the run asks for is left behind', () => {
  const average = { state: new Map(), models: 3 };
  const lines: string[] = [];
  const from = (completed: number, swaStart: number) =>
    averageOf({ average, completed }, swaStart, { log: (line) => lines.push(line) });
  expect(from(5, 2)).toBe(average);
  expect(from(9, 2)).toBe(average); // it began later: a retraining from epoch 6
  expect(lines).toEqual([]);
  expect(from(5, 10)).toBeUndefined();
  expect(lines).toEqual([
    'the checkpoint averages 3 epochs, some of them before --swa_start 10: the average begins anew',
  ]);
});
