/** scripts/drawing-curve.sh on a network of toy size: the figure, and a second call that goes on. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, start, trained } from './run-cli';
import { TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

trained('one command draws, retrains and plots tickets of several epochs', async () => {
  const save = join(folder.path, 'curve');
  const own = ['--every', '1', '--until', '2', '--ratios', '0.3', '--save', save];
  const script = (...args: string[]) => start('bash', [join(root, 'scripts', 'drawing-curve.sh'), ...args]).done;
  const flags = [...TINY, '--epochs', '3', '--device', 'cpu', '--threads', '1'];
  const first = await script(...own, '--', ...flags);
  expect([first.status, first.status === 0 ? '' : first.stderr]).toEqual([0, '']);
  expect(existsSync(join(save, 'drawing-epoch.svg'))).toBe(true);
  for (const [epoch, left] of [
    [1, 2],
    [2, 1],
  ]) {
    const lines = readFileSync(join(save, `p0.3-epoch${epoch}`, 'retrain', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(lines).toHaveLength(left!);
  }
  const again = await script(...own, '--', ...flags);
  expect(again.status).toBe(0);
  expect(again.stderr.match(/holds this run, finished/g)).toHaveLength(3);
  expect((await script('--evry', '3')).status).toBe(2);
});
