import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFolder } from '../../src/lock';
import { differingKeys, identityHash, RunDirectory } from '../../src/run/directory';
import { parseMetrics } from '../../src/run/stored';
import { metrics } from '../support/metrics';

const identity = { lr: 0.1, schedule: [80, 120] };
let folder: string;

/** Opens the folder as a run does. */
async function opened(...rest: Parameters<typeof RunDirectory.open> extends [unknown, ...infer R] ? R : never) {
  await mkdir(folder, { recursive: true });
  using lock = await lockFolder(folder);
  return await RunDirectory.open(lock, ...rest);
}

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'eb-run-')), 'run');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

/** A folder as a run leaves it when it is killed. */
async function killed(): Promise<RunDirectory> {
  const { directory } = await opened(identity);
  await directory.writeJson('params.json', { identity });
  for (let epoch = 0; epoch < 3; epoch++) await directory.appendMetrics(metrics(epoch, 1, 2, 3));
  writeFileSync(join(folder, 'metrics.jsonl'), '{"epoch":3,"comp', { flag: 'a' });
  writeFileSync(join(folder, 'checkpoint.pth.tar'), 'x');
  writeFileSync(join(folder, '.checkpoint.pth.tar.tmp-999999-0'), 'half');
  return directory;
}

test('new, interrupted, finished', async () => {
  expect((await opened(identity)).state).toBe('new');
  const directory = await killed();
  expect((await opened(identity)).state).toBe('interrupted');
  await directory.writeJson('result.json', {});
  expect((await opened(identity)).state).toBe('finished');
});

test('a checkpoint without a recipe is of no run of ours, unless forced away', async () => {
  const directory = await killed();
  rmSync(directory.file('params.json'));
  expect((await opened(identity)).state).toBe('foreign');
  expect((await opened(identity, { force: true })).state).toBe('new');
  expect(existsSync(directory.file('checkpoint.pth.tar'))).toBe(false);
});

test('opening removes what interrupted writes left, and nothing else', async () => {
  await killed();
  writeFileSync(join(folder, 'notes.tmp'), 'mine');
  await opened(identity);
  expect(existsSync(join(folder, '.checkpoint.pth.tar.tmp-999999-0'))).toBe(false);
  expect(existsSync(join(folder, 'notes.tmp'))).toBe(true);
});

test('another recipe is refused with the keys that differ, unless forced', async () => {
  await killed();
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  const other = { lr: 0.2, schedule: [80, 120], extra: true };
  await expect(opened(other)).rejects.toMatchObject({ code: 'ERR_RECIPE' });
  await expect(opened(other)).rejects.toThrow('--lr: 0.1 there, 0.2 now; --extra: unset there, true now');
  expect((await opened(other, { force: true })).state).toBe('new');
  expect(existsSync(join(folder, 'checkpoint.pth.tar'))).toBe(false);
  expect(existsSync(join(folder, 'notes.txt'))).toBe(true);
});

test('another recipe may take a folder in which nothing was trained yet', async () => {
  const { directory } = await opened(identity);
  await directory.writeJson('params.json', { identity });
  expect((await opened({ lr: 0.2 })).state).toBe('new');
  expect(existsSync(directory.file('params.json'))).toBe(false);
});

test('forcing keeps the file to resume from', async () => {
  const directory = await killed();
  writeFileSync(directory.file('ckpt1.pth.tar'), 'x');
  writeFileSync(directory.file('ckpt2.pth.tar'), 'x');
  await opened(identity, { force: true, keep: directory.file('ckpt1.pth.tar') });
  expect(existsSync(directory.file('ckpt1.pth.tar'))).toBe(true);
  expect(existsSync(directory.file('ckpt2.pth.tar'))).toBe(false);
});

test('rewinding drops torn and later lines', async () => {
  const directory = await killed();
  expect((await directory.rewind(2)).map(({ epoch }) => epoch)).toEqual([0, 1]);
  expect(parseMetrics(readFileSync(join(folder, 'metrics.jsonl'), 'utf8')).length).toBe(2);
});

test('mask rows can be written again, which cuts off later ones', async () => {
  const { directory } = await opened(identity);
  await directory.writeMaskIndex({ channels: 12, first: 0, ratios: [0.3] });
  for (let row = 0; row < 4; row++) await directory.writeMask(0.3, row, new Uint8Array([row, 0xf0]));
  await directory.writeMask(0.3, 1, new Uint8Array([9, 0xf0]));
  const stored = await directory.readMasks(0.3);
  expect(stored!.rows.map((row) => row[0])).toEqual([0, 9]);
  expect(await directory.readMasks(0.5)).toBeNull();
});

test('masks of a late start begin at that row', async () => {
  const { directory } = await opened(identity);
  await directory.writeMaskIndex({ channels: 8, first: 3, ratios: [0.3] });
  await directory.writeMask(0.3, 3, new Uint8Array([7]));
  expect((await directory.readMasks(0.3))!.rows.map((row) => [...row])).toEqual([[7]]);
});

test('masks begin where those on the way to a checkpoint do, or there', async () => {
  const { directory } = await opened(identity);
  expect(await directory.firstMask(0.3, 5)).toBe(5);
  await directory.writeMaskIndex({ channels: 8, first: 3, ratios: [0.3] });
  for (const row of [3, 4]) await directory.writeMask(0.3, row, new Uint8Array([row]));
  expect(await directory.firstMask(0.3, 5)).toBe(3);
  expect(await directory.firstMask(0.3, 6)).toBe(6);
  expect(await directory.firstMask(0.3, 2)).toBe(2);
});

test('identities compare by value and hash regardless of order', () => {
  expect(differingKeys({ a: [1], b: 2 }, { b: 2, a: [1], c: undefined })).toEqual([]);
  expect(identityHash({ a: 1, b: 2 })).toBe(identityHash({ b: 2, a: 1 }));
  expect(identityHash({ a: 1 })).not.toBe(identityHash({ a: 2 }));
});

test('a folder that is there but empty is a new run', async () => {
  await mkdir(folder, { recursive: true });
  expect((await opened(identity)).state).toBe('new');
});
