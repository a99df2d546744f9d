/** bench kernels beside a peer: here a script that writes a record as peer_quant.py does. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsedBy, pythonWithTorch } from '../support/peers';
import { cli, succeed, trained } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const PEER = `#!/usr/bin/env node
const flag = (name) => process.argv[process.argv.indexOf('--' + name) + 1];
const row = { eager: { ms: { median: 1e6 } }, compiled: { ms: { median: 1e5 } } };
const record = { quantize: { 'conv weight': row, 'late activation': row } };
require('node:fs').writeFileSync(flag('json'), JSON.stringify(record));
require('node:fs').writeFileSync(process.argv[2].replace('peer_quant.py', 'words'), JSON.stringify(process.argv.slice(3)));
`;

trained(
  'a copy, the quantiser and a peer',
  async () => {
    const python = join(folder.path, 'python');
    writeFileSync(python, PEER, { mode: 0o755 });
    writeFileSync(join(folder.path, 'peer_quant.py'), '');
    const flags = ['--repetitions', '1', '--rounds', '1', '--device', 'cpu', '--bits', '6'];
    const args = ['bench', 'kernels', '--peer', folder.path, '--python', python, ...flags];

    const result = JSON.parse((await succeed([...args, '--json'])).stdout);
    expect(result).toMatchObject({ bits: 6, device: 'cpu', rounds: 1 });
    for (const { shape, bytes, copy, quantize } of result.kernels) {
      expect(bytes).toBe(8 * shape.reduce((a: number, b: number) => a * b, 1));
      expect(copy.median > 0 && quantize.median > 0).toBe(true);
    }
    const of = (name: string) => result.kernels.find((row: { name: string }) => row.name === name);
    const large = of('beyond the caches');
    expect(result.ratios.copy).toBe(large.copy.median / large.quantize.median);
    const slower = Math.max(of('conv weight').quantize.median, of('late activation').quantize.median);
    expect(result.ratios).toMatchObject({ eager: 1e6 / slower, compiled: 1e5 / slower });

    const torch = pythonWithTorch();
    const words = JSON.parse(readFileSync(join(folder.path, 'words'), 'utf8'));
    if (torch !== null)
      expect(parsedBy(torch, { peer_quant: words }).peer_quant).toMatchObject({
        device: 'cpu',
        bits: 6,
        reps: 1,
        parts: ['quantize'],
        variants: ['eager', 'compiled'],
      });

    const { stdout } = await succeed(['bench', 'kernels', '--peer', 'none', ...flags]);
    expect(stdout).toMatch(/^beyond the caches +[\d.]+ +[\d.]+ +- +-$/m);
  },
  240_000,
);

test.each([
  [['kernels', '--format', 'mxfp4', '--bits', '4'], '--bits 4 does nothing with --format mxfp4'],
  [['kernels', '--format', 'mxfp4', '--peer', '.'], "--format mxfp4 is not one of the peer's: leave out --peer"],
  [['step', '--format', 'mxfp4'], '--format mxfp4 does nothing without --low-precision'],
])('bench %j is refused', async (words, message) => {
  const { status, stderr } = await cli(['bench', ...words]).done;
  expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test('a folder without the peer is refused', async () => {
  const { status, stderr } = await cli(['bench', 'kernels', '--peer', '/nowhere']).done;
  expect([status, stderr]).toEqual([2, expect.stringContaining('--peer /nowhere holds no peer_quant.py')]);
});
