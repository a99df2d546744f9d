/** What the scripts of 2020 find out by themselves: GPUs, and the ticket of the search before. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './run-cli';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-scripts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bash = (words: string[], path = '') =>
  spawnSync('bash', words, {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, PATH: `${path}:${process.env.PATH}` },
  });

test.each([
  [4, '0,1,2,3'],
  [1, undefined],
  [0, undefined],
])('on a machine with %d GPUs the search of ResNet-50 takes --gpu_ids %s', (count, ids) => {
  const tool = join(folder, 'nvidia-smi');
  const list = Array.from({ length: count }, (_, i) => `echo "GPU ${i}: a board (UUID: GPU-${i})"`);
  writeFileSync(tool, ['#!/bin/sh', ...list, `exit ${count > 0 ? 0 : 9}`, ''].join('\n'));
  chmodSync(tool, 0o755);
  const script = join(root, 'scripts/resnet50-imagenet/search.sh');
  const { status, stdout, stderr } = bash([script, '--data', 'images', '--print-recipe'], folder);
  expect([status, JSON.parse(stdout).gpuIds]).toEqual([0, ids]);
  expect(/trains on 4 GPUs, here are (\d)/.exec(stderr)?.[1]).toBe(ids === undefined ? String(count) : undefined);
});

test('a ratio of which a search drew a second ticket is pruned from the newer one', () => {
  for (const [name, time] of [
    ['EB-30-8', 2000],
    ['EB-30-12', 1000],
    ['EB-50-9', 3000],
  ] as const) {
    writeFileSync(join(folder, `${name}.pth.tar`), '');
    utimesSync(join(folder, `${name}.pth.tar`), time, time);
  }
  const find = `. ${join(root, 'scripts/earlybird.sh')}; find_ticket . "$@" && echo "\${ticket[@]}"`;
  expect(bash(['-c', find, '-', '30']).stdout).toBe('--model ./EB-30-8.pth.tar\n');
  expect(bash(['-c', find, '-', '30', '--model', 'x']).stdout).toBe('\n');
  const { status, stderr } = bash(['-c', find, '-', '70']);
  expect([status, stderr]).toEqual([1, expect.stringContaining('holds no ticket at 70 %')]);
});
