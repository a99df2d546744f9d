import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointWriter, isKept } from '../../src/run/checkpoint-writer';

const folder = mkdtempSync(join(tmpdir(), 'eb-writer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

test('all names are one file', async () => {
  const writer = new CheckpointWriter();
  await writer.start(at('checkpoint'), new Map([['epoch', 1]]), [at('ckpt0'), at('best')]);
  await writer.settle();
  const inodes = ['checkpoint', 'ckpt0', 'best'].map((name) => statSync(at(name)).ino);
  expect(new Set(inodes).size).toBe(1);
});

test('the checkpoint to resume from comes last: without the other names it is not there', async () => {
  const writer = new CheckpointWriter();
  await writer.start(at('latest'), new Map([['epoch', 2]]), [at('ckpt1'), at('no-such-folder/best')]);
  await expect(writer.settle()).rejects.toMatchObject({ code: 'ERR_FILE' });
  expect([existsSync(at('ckpt1')), existsSync(at('latest'))]).toEqual([true, false]);
});

test('a later write leaves the names of an earlier one as they were', async () => {
  const writer = new CheckpointWriter();
  await writer.start(at('now'), new Map([['epoch', 1]]), [at('first')]);
  await writer.settle();
  const before = readFileSync(at('first'));
  await writer.start(at('now'), new Map([['epoch', 2]]));
  await writer.settle();
  expect(readFileSync(at('first')).equals(before)).toBe(true);
  expect(readFileSync(at('now')).equals(before)).toBe(false);
});

test('a file that the new one replaces stays until that is whole, so also where its write fails', async () => {
  const writer = new CheckpointWriter();
  await writer.start(at('inside'), new Map([['epoch', 1]]));
  await writer.start(at('no-such-folder/next'), new Map([['epoch', 2]]), [], at('inside'));
  await expect(writer.settle()).rejects.toMatchObject({ code: 'ERR_FILE' });
  expect(existsSync(at('inside'))).toBe(true);
  const next = new CheckpointWriter();
  await next.start(at('next'), new Map([['epoch', 2]]), [], at('inside'));
  await next.settle();
  expect([existsSync(at('next')), existsSync(at('inside'))]).toEqual([true, false]);
});

test('which epochs stay', () => {
  const kept = (policy: string, searching = false) =>
    [0, 1, 2, 3, 4, 5].filter((epoch) => isKept(policy, epoch, searching));
  expect(kept('all')).toEqual([0, 1, 2, 3, 4, 5]);
  expect(kept('none')).toEqual([]);
  expect(kept('every:3')).toEqual([2, 5]);
  expect(kept('ticket', true)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(kept('ticket', false)).toEqual([]);
  expect(kept('at:1,5,40')).toEqual([0, 4]);
  expect(kept('at:1,2x')).toEqual([0]);
  const twice = (epoch: number) => isKept('at:1,2x', epoch, false, [1, 3]);
  expect([0, 1, 2, 3, 4, 5].filter(twice)).toEqual([0, 1, 5]);
});
