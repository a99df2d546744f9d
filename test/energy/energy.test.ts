/** The energy that runs report, on an engine whose work has fixed prices: an epoch 100 J, a test 10, an average 5, masks 1. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EnergyFile, mergeSources, methodText, readEnergy, sourceText } from '../../src/energy/file';
import { RunMeter } from '../../src/energy/meter';
import { addTotals, epochJoules, phaseTotals } from '../../src/energy/totals';
import type { EnergyReading, EnergySource } from '../../src/native/types/energy';
import { prune } from '../../src/prune/prune';
import { parseRecipe } from '../../src/recipe/recipe';
import { RunDirectory } from '../../src/run/directory';
import type { EpochMetrics } from '../../src/run/metrics';
import { ebTrain } from '../../src/train/eb-train';
import { evaluate } from '../../src/train/evaluate';
import { search } from '../../src/train/search';
import { temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

let engine: FakeEngine;
jest.mock('../../src/native/addon', () => ({ loadAddon: () => engine.addon }));

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);
const json = <T>(...names: string[]) => JSON.parse(readFileSync(at(...names), 'utf8')) as T;
const energyOf = (...names: string[]) => json<EnergyFile>(...names, 'energy.json');
const linesOf = (...names: string[]) =>
  readFileSync(at(...names, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EpochMetrics);
const joulesOf = ({ phases }: EnergyFile) =>
  Object.fromEntries(Object.entries(phases).map(([path, { joules }]) => [path, joules]));

beforeEach(() => {
  engine = fakeEngine();
  engine.joules = 1000;
});
afterEach(() => expect([engine.windows, engine.alive]).toEqual([[], 0]));

const DATA = { dataset: 'synthetic', limitTrain: 20, limitTest: 10, device: 'cpu' };
const BASE = { ...DATA, report: false, batchSize: 4, testBatchSize: 8 };
const recipeOf = (save: string, more: object = {}) =>
  parseRecipe('search', { ...BASE, epochs: 4, save: at(save), ...more });

const priced = (joules: number, windows = 1) => ({
  windows,
  seconds: windows,
  joules,
  parts: { 'cpu counter': joules },
});

test('a search: every epoch, every phase', async () => {
  const { result } = await search(recipeOf('plain', { swa: true, swaStart: 0 }));
  expect(result.joules).toBe(4 * (1 + 100 + 10 + 15));
  const [line] = linesOf('plain');
  expect(line!.joules).toBe(126);
  expect(line!.energy).toEqual({
    load: priced(0),
    detect: priced(1),
    train: priced(100),
    evaluate: priced(10),
    average: priced(15),
    whole: priced(126),
  });
  const file = energyOf('plain');
  expect(joulesOf(file)).toEqual({
    search: 505,
    'search/load': null,
    'search/detect': 5,
    'search/train': 400,
    'search/evaluate': 40,
    'search/average': 60,
  });
  expect(file.phases['search/detect']).toEqual(priced(5, 5));
  expect(file).toMatchObject({ version: 1, idle: { seconds: 0, watts: null }, sources: [{ method: 'counter' }] });
});

const failAt = (what: string, call: number) => {
  let calls = 0;
  engine.before = (now) => {
    if (now === what && ++calls === call) throw new Error('killed');
  };
};

describe('a run that fails and is resumed', () => {
  test.each([
    ['in training', 'epoch', 3],
    ['in the test', 'evaluate', 2],
    ['at once', 'epoch', 1],
  ])('%s: no epoch counts twice, and none is lost', async (name, what, call) => {
    failAt(what, call);
    await expect(search(recipeOf(name))).rejects.toThrow('killed');
    expect(engine.windows).toEqual([]);
    engine.before = () => {};
    await search(recipeOf(name));
    const { search: whole, ...inner } = joulesOf(energyOf(name));
    // The process that repeats the failed epoch draws the masks of the epoch before it again.
    expect(inner).toEqual({ 'search/load': null, 'search/detect': 5, 'search/train': 400, 'search/evaluate': 40 });
    expect(whole).toBe(445);
  });

  test('killed between the line of an epoch and its checkpoint', async () => {
    await search(recipeOf('between', { epochs: 2 }));
    rmSync(at('between', 'result.json'));
    const params = json<{ identity: object }>('between', 'params.json');
    // Leaves the folder with the line of the third epoch and its energy.json, but without its checkpoint.
    const directory = RunDirectory.at(at('between'));
    await directory.appendMetrics({ ...linesOf('between')[1]!, epoch: 2, completed: 3 });
    await directory.writeJson('params.json', { ...params, identity: { ...params.identity, epochs: 4 } });
    await search(recipeOf('between'));
    expect(joulesOf(energyOf('between'))).toMatchObject({ 'search/train': 400, 'search/evaluate': 40 });
  });
});

test('epochs that were not metered leave no sum, and say so', async () => {
  failAt('epoch', 3);
  await expect(search(recipeOf('partly', { energy: 'off' }))).rejects.toThrow('killed');
  expect([existsSync(at('partly', 'energy.json')), engine.meters]).toEqual([false, []]);
  expect(linesOf('partly')[0]).not.toHaveProperty('energy');
  expect(linesOf('partly')[0]!.joules).toBeNull();
  engine.before = () => {};
  const { result } = await search(recipeOf('partly'));
  expect(result.joules).toBeNull();
  expect(energyOf('partly').phases['search/train']).toEqual({
    ...priced(200, 2),
    joules: null,
    reason: '2 of 4 epochs were not metered',
  });
});

test('where nothing can be read the run goes on, and energy.json says why', async () => {
  engine.joules = null;
  const { result } = await search(recipeOf('nothing'));
  expect(result.joules).toBeNull();
  const { phases, sources } = energyOf('nothing');
  expect(phases['search/train']).toEqual({ windows: 4, seconds: 4, joules: null });
  expect(sources).toEqual([expect.objectContaining({ method: null, reason: 'there is no counter' })]);
});

test('a counter that is lost on the way: no sum, and the reason', async () => {
  engine.before = (what) => {
    if (what === 'evaluate') engine.joules = null;
  };
  await search(recipeOf('lost', { epochs: 1 }));
  expect(linesOf('lost')[0]).toMatchObject({ joules: null, energy: { train: { joules: 100 } } });
  expect(energyOf('lost').phases['search/evaluate']).toMatchObject({ joules: null, reason: 'the counter was lost' });
});

test('--watts, --idle-seconds', async () => {
  await search(recipeOf('idle', { epochs: 1, watts: 65, idleSeconds: 0.001 }));
  expect(engine.meters).toEqual([{ device: 'cpu', watts: 65 }]);
  expect(energyOf('idle').idle).toEqual({ seconds: 1, watts: 0 });
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(RunMeter.open(engine as never, { idleSeconds: 1 }, stop)).rejects.toThrow('enough');
});

test('EB Train: its stages in one file, each stage in its own', async () => {
  const eager = { detectorWindow: 2, detectorThreshold: 1 };
  const recipe = parseRecipe('train', { ...BASE, ...eager, epochs: 3, save: at('eb'), measure: false });
  const { result } = await ebTrain(recipe);
  expect(joulesOf(energyOf('eb'))).toEqual({
    search: 112,
    'search/load': null,
    'search/detect': 2,
    'search/train': 100,
    'search/evaluate': 10,
    prune: 1,
    retrain: 220,
    'retrain/train': 200,
    'retrain/evaluate': 20,
  });
  expect(joulesOf(energyOf('eb', 'search'))).toHaveProperty('search/train', 100);
  expect(result.summary.map(({ joules }) => joules)).toEqual([111, 331]);
  expect(engine.meters).toHaveLength(1);
});

test('prune adds its phase to the folder it writes to; evaluate tells its own', async () => {
  const log: string[] = [];
  await search(recipeOf('folder', { epochs: 1 }));
  const model = at('folder', 'checkpoint.pth.tar');
  await prune(parseRecipe('prune', { model, percent: 0.5, save: at('folder'), device: 'cpu', measure: false }));
  expect(joulesOf(energyOf('folder'))).toMatchObject({ 'search/train': 100, prune: 1 });
  const { energy } = await evaluate(parseRecipe('evaluate', { ...BASE, resume: model }), {
    observer: { log: (line) => log.push(line) },
  });
  expect(joulesOf(energy!)).toEqual({ evaluate: 10, 'evaluate/load': null, 'evaluate/evaluate': 10 });
  expect((await evaluate(parseRecipe('evaluate', { ...BASE, resume: model, energy: 'off' }))).energy).toBeNull();
});

test('sums', () => {
  const one = { windows: 1, seconds: 2, joules: 3 };
  expect(addTotals({ a: one }, { a: { ...one, joules: null, reason: 'why' }, b: one })).toEqual({
    a: { windows: 2, seconds: 4, joules: null, reason: 'why' },
    b: one,
  });
  expect(epochJoules({ train: one, evaluate: one, load: one, whole: one })).toBe(6);
  expect(epochJoules({ train: one, evaluate: { ...one, joules: null } })).toBeNull();
  expect(epochJoules({})).toBeNull();
  expect(phaseTotals('retrain', [{ energy: { whole: one, train: one } }], { whole: one })).toEqual({
    retrain: { windows: 2, seconds: 4, joules: 6 },
    'retrain/train': one,
  });
});

test('sources in words', () => {
  const gpu: EnergySource = { part: 'gpu', method: 'sampled', name: 'NVML power', notes: ['shared'] };
  const cpu: EnergySource = { part: 'cpu', method: null, name: 'RAPL', reason: 'no tree', notes: [] };
  const given: EnergySource = { part: 'given', method: 'estimated', name: '65 W, as given', notes: [] };
  expect([gpu, cpu, given].map(sourceText)).toEqual([
    'GPU: NVML power; sampled; shared',
    'CPU: not read: no tree',
    'estimate: 65 W, as given',
  ]);
  const total = (...ways: string[]) => ({
    windows: 1,
    seconds: 1,
    joules: 1,
    parts: Object.fromEntries(ways.map((way) => [way, 1])),
  });
  expect(methodText([gpu, given], total('gpu sampled'))).toBe('measured: NVML power');
  expect(methodText([cpu, given], total('given estimated'))).toBe('estimated from the given watts');
  expect(methodText([gpu, given], total('gpu sampled', 'given estimated'))).toBe(
    'measured: NVML power; partly estimated from the given watts',
  );
  expect(methodText([cpu], { windows: 1, seconds: 1, joules: null, reason: 'lost' })).toBe('not known: lost');
  expect(methodText([cpu], null)).toBeNull();
  expect(mergeSources([given, cpu], [gpu])).toEqual([gpu, given]);
});

test('a counter that never moves: no figure, and the reason', async () => {
  engine.frozen = true;
  const { result } = await search(recipeOf('frozen', { epochs: 1 }));
  expect(result).toMatchObject({ joules: null, joulesBy: 'not known: coarse' });
  expect(linesOf('frozen')[0]).toMatchObject({ joules: null, energy: { detect: { joules: 0, reason: 'coarse' } } });
  expect(energyOf('frozen').phases).toMatchObject({
    search: { joules: null, reason: 'coarse' },
    'search/detect': { joules: null, reason: 'coarse' },
  });
});

describe('the board of a GPU that computes', () => {
  const metered = async (gpu: EnergyReading['parts'][number], device: string) => {
    engine.parts = [gpu];
    using meter = await RunMeter.open({ addon: engine.addon, device }, {});
    await meter.metered('train', () => {
      engine.joules! += 7;
    });
    const { train } = (await meter.lap())!;
    return train;
  };

  test('belongs to the figure: without it there is none', async () => {
    const lost = { part: 'gpu', joules: null, method: null, reason: 'no NVML' } as const;
    const parts = { 'cpu counter': 7 };
    expect(await metered(lost, 'cuda:0')).toMatchObject({ joules: null, reason: 'no NVML', parts });
    expect(await metered(lost, 'cpu')).toMatchObject({ joules: 7, parts });
  });

  test('a counter of it that stands still makes the sum none', () => {
    const still = {
      windows: 1,
      seconds: 1,
      joules: 7,
      parts: { 'cpu counter': 7, 'gpu counter': 0 },
      reason: 'coarse',
    };
    expect(phaseTotals('retrain', [{ energy: { detect: still } }])).toEqual({
      'retrain/detect': { ...still, joules: null },
    });
  });
});

test('other parts after a resume make no sum; given watts do, and are remembered', () => {
  const of = (...ways: string[]) => ({
    a: { windows: 1, seconds: 1, joules: ways.length, parts: Object.fromEntries(ways.map((way) => [way, 1])) },
  });
  expect(addTotals(of('cpu counter', 'gpu counter'), of('cpu counter')).a).toMatchObject({
    joules: null,
    reason: 'CPU (counter) + GPU (counter) was read at first, CPU (counter) later',
  });
  expect(addTotals(of('given estimated'), of('cpu counter')).a).toMatchObject({
    joules: 2,
    parts: { 'given estimated': 1, 'cpu counter': 1 },
  });
});

test('energy.json is written once for a process and at its end, not after every epoch', async () => {
  const written = jest.spyOn(RunDirectory.prototype, 'writeJson');
  await search(recipeOf('written', { epochs: 4 }));
  expect(written.mock.calls.filter(([name]) => name === 'energy.json')).toHaveLength(2);
  written.mockRestore();
});

test('a torn file is named, with what to do', async () => {
  mkdirSync(at('torn'));
  writeFileSync(at('torn', 'energy.json'), '{ "version": 1, "sou');
  await expect(readEnergy(at('torn'))).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(/torn\/energy\.json is damaged: it is not valid JSON from line 1 on; restore it/),
  });
});
