/** bench step beside a peer: here a script that writes records as peer_train.py does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spread } from '../../src/measure';
import { cli, succeed, trained } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const PEER = `#!/usr/bin/env node
const flag = (name) => process.argv[process.argv.indexOf('--' + name) + 1];
const speed = { reference: 1, tuned: 1e9 }[flag('mode')];
if (!speed) { console.error('noise\\nRuntimeError: no compiler'); process.exit(1); }
const record = { dtype: flag('dtype'), torch: '2.0', threads: 1, images_per_s_wall: speed, batch: 2, peak_mib: { resident: 100 } };
require('node:fs').writeFileSync(flag('json'), JSON.stringify(record));
`;

trained(
  'ours and every mode of a peer, one of which fails',
  async () => {
    const python = join(folder.path, 'python');
    writeFileSync(python, PEER, { mode: 0o755 });
    writeFileSync(join(folder.path, 'peer_train.py'), '');
    const flags = [
      '--batch',
      '2',
      '--steps',
      '1',
      '--warmup',
      '1',
      '--rounds',
      '2',
      '--threads',
      '1',
      '--device',
      'cpu',
    ];
    const args = ['bench', 'step', '--peer', folder.path, '--python', python, ...flags];

    const result = JSON.parse((await succeed([...args, '--json'])).stdout);
    const speed = result.systems.earlybird.imagesPerSecond.median;
    expect(result.systems.earlybird.runs).toHaveLength(2);
    expect(result.systems.earlybird.runs[0]).toMatchObject({ dtype: 'fp32', versions: { threads: 1 } });
    expect(result.ratios).toEqual({ reference: speed, tuned: speed / 1e9, compiled: null });
    expect(result.memoryRatios.reference).toBe(result.systems.earlybird.residentMib.median / 100);
    expect(result.systems.compiled).toMatchObject({ runs: [], imagesPerSecond: null });
    expect(result.systems.compiled.failure).toContain('RuntimeError: no compiler');

    const { stdout } = await succeed(args);
    expect(stdout).toMatch(/^reference +fp32 +1\.0 +1\.0 to 1\.0 +[\d.]+x +100 MiB +[\d.]+x$/m);
    expect(stdout).toMatch(/^compiled +no figure: .*no compiler/m);
  },
  120_000,
);

trained(
  'low precision beside full precision, at both arithmetics',
  async () => {
    const flags = '--low-precision --batch 2 --steps 1 --warmup 1 --rounds 1 --threads 1 --device cpu'.split(' ');
    const { systems, ratios } = JSON.parse((await succeed(['bench', 'step', ...flags, '--json'])).stdout);
    expect(Object.keys(systems)).toEqual(['fp32', 'bf16', 'low-fp32', 'low-bf16']);
    const median = (name: string) => systems[name].stepMs.median;
    expect(ratios).toEqual({
      lowPrecisionOverBf16: median('low-bf16') / median('bf16'),
      lowPrecisionOverFp32: median('low-bf16') / median('fp32'),
      lowPrecisionFp32OverFp32: median('low-fp32') / median('fp32'),
    });
    expect(systems['low-bf16'].runs[0]).toMatchObject({ dtype: 'bf16', system: 'low-bf16' });

    const { stdout } = await succeed(['bench', 'step', ...flags]);
    expect(stdout).toMatch(/^low-bf16 +[\d.]+ +[\d.]+ to [\d.]+$/m);
    expect(stdout).toMatch(/low-bf16 over bf16: [\d.]+x, over fp32: [\d.]+x; low-fp32 over fp32: [\d.]+x/);
  },
  120_000,
);

test('low precision and a peer exclude each other', async () => {
  const { status, stderr } = await cli(['bench', 'step', '--low-precision', '--peer', folder.path]).done;
  expect([status, stderr]).toEqual([2, expect.stringContaining('leave out --peer')]);
});

test('a folder without the peer is refused', async () => {
  const { status, stderr } = await cli(['bench', 'step', '--peer', '/nowhere']).done;
  expect([status, stderr]).toEqual([2, expect.stringContaining('--peer /nowhere holds no peer_train.py')]);
});

test('spread', () => {
  expect(spread([])).toBeNull();
  expect(spread([3, 1])).toEqual({ median: 2, low: 1, high: 3 });
  expect(spread([9, 1, 2])).toEqual({ median: 2, low: 1, high: 9 });
});
