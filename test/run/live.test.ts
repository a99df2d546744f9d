import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIVE, LiveFile } from '../../src/run/live';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earlybird-live-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const PROGRESS = { step: 10, steps: 40, images: 640, seconds: 2, loss: 1.5, top1: 30 };

test('says where a run stands while it trains, tells the observer all, and leaves nothing', async () => {
  const told: string[] = [];
  await writeFile(join(folder, LIVE), 'of a process that was killed');
  {
    using live = new LiveFile(folder, {
      log: (line) => told.push(line),
      progress: (pass, { step }) => told.push(`${pass} ${step}`),
      epoch: ({ epoch }) => told.push(`epoch ${epoch}`),
    });
    expect(existsSync(join(folder, LIVE))).toBe(false);
    const { observer } = live;
    observer.log!('begins');
    observer.epoch!({ phase: 'search', epoch: 3, epochs: 8, lr: 0.1 });
    observer.progress!('train', PROGRESS);
    observer.progress!('train', { ...PROGRESS, step: 11 });
    expect(JSON.parse(await readFile(join(folder, LIVE), 'utf8'))).toEqual({
      ...{ phase: 'search', epoch: 3, epochs: 8, pass: 'train', step: 10, steps: 40 },
      ...{ seconds: 2, imagesPerSecond: 320, loss: 1.5, top1: 30 },
    });
  }
  expect(existsSync(join(folder, LIVE))).toBe(false);
  expect(told).toEqual(['begins', 'epoch 3', 'train 10', 'train 11']);
});

test('a folder that takes no file ends no training', async () => {
  await rm(folder, { recursive: true });
  using live = new LiveFile(join(folder, 'gone'));
  expect(() => live.observer.progress!('train', PROGRESS)).not.toThrow();
});
