import { setImmediate as breathe } from 'node:timers/promises';
import sharp from 'sharp';
import { withQuietSharp } from '../../src/data/quiet-sharp';

test('settings of sharp come back after the last of several uses at once', async () => {
  sharp.concurrency(3);
  sharp.cache({ memory: 40, files: 10, items: 30 });
  const settings = () => [sharp.concurrency(), sharp.cache().memory.max, sharp.cache().items.max];
  const ends: (() => void)[] = [];
  const work = () =>
    new Promise<void>((resolve) => {
      ends.push(resolve);
    });
  const uses = [withQuietSharp(work), withQuietSharp(work)];
  while (ends.length < 2) await breathe();
  expect(settings()).toEqual([1, 0, 0]);
  ends[0]!();
  await uses[0];
  expect(settings()).toEqual([1, 0, 0]);
  ends[1]!();
  await uses[1];
  expect(settings()).toEqual([3, 40, 30]);
  await expect(withQuietSharp(() => Promise.reject(new Error('enough')))).rejects.toThrow('enough');
  expect(settings()).toEqual([3, 40, 30]);
});
