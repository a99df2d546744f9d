/** Measured kernels are kept in the cache, given back by runs, and replaced where they do not exist. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../../src/engine/device';
import { chooseKernels, openKernels, readMeasured, recordedKernels, roundingOf } from '../../src/engine/kernels';
import type { ModelSpec } from '../../src/native/types/model';
import { temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const CLASS = 'fp32 3x3';
const { EARLYBIRD_KERNELS: mode, EARLYBIRD_CACHE: cache } = process.env;
let fake: FakeEngine;
let engine: Engine;
let count = 0;
beforeEach(() => {
  process.env.EARLYBIRD_KERNELS = 'auto';
  process.env.EARLYBIRD_CACHE = join(folder.path, String(count++));
  fake = fakeEngine();
  engine = { addon: fake.addon, device: 'cpu', precision: 'fp32' };
});
afterEach(() => {
  process.env.EARLYBIRD_KERNELS = mode;
  if (cache === undefined) delete process.env.EARLYBIRD_CACHE;
  else process.env.EARLYBIRD_CACHE = cache;
});

const modelWith = (spec: Partial<ModelSpec> = {}) =>
  fake.addon.createModel({ arch: 'vgg', depth: 11, classes: 10, seed: 1, device: 'cpu', ...spec });
const cacheFiles = () => readdirSync(join(process.env.EARLYBIRD_CACHE!, 'kernels'));
const cacheFile = () => join(process.env.EARLYBIRD_CACHE!, 'kernels', cacheFiles()[0]!);

test('a measurement is kept, and another process takes it', async () => {
  Object.assign(fake, { measured: true, kernel: 'winograd' });
  expect(await chooseKernels(engine, await modelWith())).toEqual({ [CLASS]: 'winograd' });
  openKernels(fakeEngine().addon);
  const other = fakeEngine();
  openKernels(other.addon);
  expect(other.kernelOptions).toEqual({ mode: 'auto', known: { [CLASS]: 'winograd' } });
});

test('the first answer stays, whatever a process that measured meanwhile says', async () => {
  for (const kernel of ['winograd', 'direct']) {
    fake = Object.assign(fakeEngine(), { measured: true, kernel });
    await chooseKernels({ ...engine, addon: fake.addon }, await modelWith());
  }
  expect(readMeasured(fake.addon).kernels).toEqual({ [CLASS]: 'winograd' });
});

test('where nothing is measured nothing is written, and on a GPU nothing is asked', async () => {
  expect(await chooseKernels(engine, await modelWith())).toEqual({ [CLASS]: 'direct' });
  expect(cacheFiles).toThrow('ENOENT');
  expect(await chooseKernels({ ...engine, device: 'cuda:0' }, {} as never)).toEqual({});
});

test.each([
  ['text', 'no JSON'],
  ['a number', '7'],
  [
    'other types',
    '{"kernels": {"a": 1, "b": "direct"}, "widths": {"fp32": {"c": [1, 2], "d": [1, 2, 3, -4], "e": [1, 2, 3, 4]}}}',
  ],
  ['null', '{"kernels": null, "widths": {"fp32": null}}'],
])('a damaged cache is left out: %s', async (_, text) => {
  Object.assign(fake, { measured: true });
  await chooseKernels(engine, await modelWith());
  writeFileSync(cacheFile(), text);
  const { kernels, widths } = readMeasured(fake.addon);
  expect(kernels).toEqual(text.includes('"b"') ? { b: 'direct' } : {});
  expect(widths.fp32 ?? {}).toEqual(text.includes('"e"') ? { e: [1, 2, 3, 4] } : {});
  fake.answers = [];
  await chooseKernels(engine, await modelWith());
  expect(JSON.parse(readFileSync(cacheFile(), 'utf8')).kernels[CLASS]).toBe('direct');
});

test('a cache that cannot be written is a line of the log', async () => {
  writeFileSync(process.env.EARLYBIRD_CACHE!, 'a file where the folder should be');
  Object.assign(fake, { measured: true });
  const lines: string[] = [];
  expect(await chooseKernels(engine, await modelWith(), { log: (line) => lines.push(line) })).toEqual({
    [CLASS]: 'direct',
  });
  expect(lines).toEqual([expect.stringContaining('is not kept')]);
});

test('the environment forces kernels, and then the cache is not read', async () => {
  Object.assign(fake, { measured: true });
  await chooseKernels(engine, await modelWith());
  process.env.EARLYBIRD_KERNELS = 'packed';
  openKernels(fake.addon);
  expect(fake.kernelOptions).toEqual({ mode: 'packed', known: {} });
});

test('recorded kernels are taken, and one that is not there is replaced with a warning', async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const recorded = { [CLASS]: 'winograd' };
  expect(await chooseKernels(engine, await modelWith({ kernels: recorded }), { recorded, log })).toEqual(recorded);
  expect(lines).toEqual([]);
  const lost = { [CLASS]: 'lost' };
  expect(await chooseKernels(engine, await modelWith({ kernels: lost }), { recorded: lost, log })).toEqual({
    [CLASS]: 'direct',
  });
  expect(lines).toEqual([
    `warning: this run used lost kernels (${CLASS}), which this machine lacks or computes wrongly: it goes on with direct, whose last bits differ`,
  ]);
});

test('the table of a folder: none where there is no run, a damaged file or other types', async () => {
  const path = join(folder.path, 'run');
  mkdirSync(path);
  expect(await recordedKernels(path)).toEqual({});
  for (const [text, table] of [
    ['{', {}],
    ['{"kernels": 3}', {}],
    ['{"kernels": {"a": "direct", "b": 1}}', { a: 'direct' }],
  ] as const) {
    writeFileSync(join(path, 'params.json'), text);
    expect(await recordedKernels(path)).toEqual(table);
  }
});

test('--round-to: a number as it is; auto by costs that are measured once, and 8 where nothing is measured', async () => {
  const model = await modelWith();
  expect(await roundingOf(engine, model, 4)).toEqual({ roundTo: 4 });
  fake.cost = 3;
  const costs = { widthCosts: { [CLASS]: [3, 1, 1, 1] } };
  expect(await roundingOf(engine, model, 'auto')).toEqual(costs);
  fake.cost = 2;
  expect(await roundingOf(engine, model, 'auto')).toEqual(costs);
  expect(await roundingOf({ ...engine, precision: 'bf16' }, model, 'auto')).toEqual({
    widthCosts: { [CLASS]: [2, 1, 1, 1] },
  });
  expect(await roundingOf({ ...engine, device: 'cuda:0' }, model, 'auto')).toEqual({ roundTo: 8 });
  process.env.EARLYBIRD_KERNELS = 'rule';
  expect(await roundingOf(engine, model, 'auto')).toEqual({ roundTo: 8 });
});
