/** scripts/bench/*.sh at sizes that say nothing: their logic, without a GPU. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, start, trained } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const at = (...names: string[]) => join(folder.path, ...names);
const script = (name: string, ...args: string[]) => start('bash', [join(root, 'scripts', 'bench', name), ...args]).done;

/** Knows no compiler, as a Python without one. */
const PEER = `#!/usr/bin/env node
const flag = (name) => process.argv[process.argv.indexOf('--' + name) + 1];
if (flag('mode') === 'compiled') { console.error('RuntimeError: no compiler'); process.exit(1); }
const record = { dtype: 'fp32', torch: '2.0', threads: 1, images_per_s_wall: 1e-3, batch: 2, peak_mib: { resident: 1 } };
require('node:fs').writeFileSync(flag('json'), JSON.stringify(record));
`;

trained(
  'gpu.sh --quick --device cpu: every part is measured or says why not, and the table is written',
  async () => {
    writeFileSync(at('python'), PEER, { mode: 0o755 });
    writeFileSync(at('peer_train.py'), '');
    const out = at('out');
    const flags = ['--quick', '--device', 'cpu', '--out', out, '--peer', folder.path, '--python', at('python')];
    const { status, stdout, stderr } = await script('gpu.sh', ...flags);
    expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);

    const written = /written: (\S+\.json), (\S+\.md)/.exec(stdout)!;
    const report = JSON.parse(readFileSync(written[1]!, 'utf8'));
    const parts = new Map(report.parts.map((part: { name: string }) => [part.name, part]));
    for (const name of ['profile-vgg16', 'step-vgg16', 'ticket-vgg16', 'detect-vgg16', 'kernels'])
      expect(parts.get(name)).toMatchObject({
        status: 0,
        result: { machine: report.machine.cpu && expect.anything() },
      });
    for (const name of ['captured-vgg16', 'eager-vgg16', 'energy']) expect(parts.has(name)).toBe(true);
    const compiled = parts.get('compiled-vgg16') as { result: { systems: { compiled: { failure: string } } } };
    expect(compiled.result.systems.compiled.failure).toContain('no compiler');

    const target = report.targets.find((row: { measure: string }) => row.measure === 'against peer reference');
    const step = parts.get('step-vgg16') as { result: { ratios: { reference: number } } };
    expect(target).toMatchObject({ figure: step.result.ratios.reference, verdict: 'other batch size' });
    expect(readFileSync(written[2]!, 'utf8')).toContain('| VGG-16 on CIFAR, batch 256 | against peer reference |');
  },
  400_000,
);

test('gpu.sh refuses what it does not know, and a GPU that is not there', async () => {
  expect(await script('gpu.sh', '--fast')).toMatchObject({ status: 2, stderr: expect.stringContaining('--fast') });
  expect(await script('gpu.sh', '--out')).toMatchObject({ status: 2, stderr: expect.stringContaining('a value') });
  const peer = await script('gpu.sh', '--device', 'cpu', '--peer', at('nowhere'), '--out', at('none'));
  expect([peer.status, peer.stderr]).toEqual([1, expect.stringContaining('holds no peer_train.py')]);
  expect(existsSync(at('none'))).toBe(false);
});

trained(
  'full-cifar.sh: search, three prunings (no ticket has emerged by then), retraining, distances',
  async () => {
    const tiny = '--dataset synthetic --limit-train 64 --limit-test 32 --depth 11 --batch-size 32 --threads 1';
    const cfg = '--cfg 16 M 16 M 16 16 M 16 16 M 16 16 --report false';
    const flags = [...tiny.split(' '), ...cfg.split(' ')];
    const args = ['--device', 'cpu', '--epochs', '3', '--save', at('full'), '--json', '--'];
    const { status, stdout, stderr } = await script('full-cifar.sh', ...args, ...flags);
    expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({ seconds: expect.any(Number), epochs: 3, device: 'cpu' });
    for (const percent of [30, 50, 70])
      expect(existsSync(at('full', `retrain-${percent}`, 'model_best.pth.tar'))).toBe(true);
    for (const ratio of ['0.3', '0.5', '0.7'])
      expect(existsSync(at('full', 'search', `overlap_${ratio}.npy`))).toBe(true);
    expect(existsSync(at('full', 'mask-distance.svg'))).toBe(true);
  },
  400_000,
);
