/** scripts/bench/*.sh with a `node` that only notes its arguments: order and logic, without measuring anything. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineWith } from '../support/machine';
import { main, root, start } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const at = (...names: string[]) => join(folder.path, ...names);
mkdirSync(at('bin'));
const PATH = `${at('bin')}:${process.env.PATH}`;
const script = (name: string, ...args: string[]) =>
  start('bash', [join(root, 'scripts', 'bench', name), ...args], { env: { PATH, CALLS: at('calls') } }).done;

/** The fake notes its words and prints a result; only the reporting program is real. A search leaves no ticket. */
const rows = [1, 2].map((ranks) => ({
  system: 'earlybird',
  ranks,
  imagesPerSecond: { median: 70 * ranks },
  overOne: ranks,
}));
const result = JSON.stringify({ machine: machineWith(), batchSize: 2, ratios: { tuned: 9, reference: 9 }, rows });
const NODE = `#!/bin/bash
case "$*" in
  -e* | *targets.mjs*) exec ${JSON.stringify(process.execPath)} "$@" ;;
esac
shift
echo "$*" >> "$CALLS"
while [ $# -gt 0 ]; do
  if [ "$1" = --save ]; then mkdir -p "$2"; echo '{}' > "$2/energy.json"; fi
  shift
done
echo '${result}'
`;
writeFileSync(at('bin', 'node'), NODE, { mode: 0o755 });
const calls = () => readFileSync(at('calls'), 'utf8').trim().split('\n');
const built = existsSync(main) ? test : test.skip;

built('gpu.sh --scale: the step on more and more ranks, and a table of them', async () => {
  writeFileSync(at('calls'), '');
  const { status, stdout } = await script(
    'gpu.sh',
    '--scale',
    '--device',
    'cpu',
    '--out',
    at('scale'),
    '--peer',
    'none',
  );
  expect(status).toBe(0);
  expect(calls()).toHaveLength(4);
  expect(calls()[0]).toMatch(/^bench scale --model vgg16 .*--ranks 1 2 --peer none/);
  expect(stdout).toContain('| vgg16 | earlybird | 2 | 140 | 2.00x |');
  expect(readFileSync(at('scale', 'scale.md'), 'utf8')).toBe(stdout);
});

built(
  'gpu.sh: what the targets of CIFAR need comes first, a part for each mode, and the table is written',
  async () => {
    writeFileSync(at('peer_train.py'), '');
    const out = at('out');
    mkdirSync(join(out, 'parts'), { recursive: true });
    writeFileSync(join(out, 'parts', 'full-cifar.json'), '{"seconds": 300, "epochs": 160}');
    writeFileSync(join(out, 'parts', 'stale.json'), '{}');
    writeFileSync(at('calls'), '');
    const { status, stdout, stderr } = await script('gpu.sh', '--device', 'cpu', '--out', out, '--peer', folder.path);
    expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);

    const written = /written: (\S+\.json), (\S+\.md)/.exec(stdout)!;
    const report = JSON.parse(readFileSync(written[1]!, 'utf8'));
    const names: string[] = report.parts.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['energy', 'kernels', 'eager-vgg16', 'full-cifar']));
    expect(names).not.toContain('stale');
    for (const part of ['captured-vgg16', 'eager-vgg16', 'kernels'])
      for (const model of ['vgg16', 'preresnet101'])
        expect(names.indexOf(part)).toBeGreaterThan(names.indexOf(`compiled-${model}`));
    expect(
      report.targets.find(({ measure }: { measure: string }) => measure === 'against peer reference'),
    ).toMatchObject({
      figure: '9.00x',
      verdict: 'other batchSize',
    });
    const steps = calls().filter((line) => line.includes('bench step') && line.includes(`--peer ${folder.path}`));
    for (const line of steps) expect(line).toMatch(/--modes (tuned|compiled|reference) --timeout/);
    for (const line of steps.filter((line) => /--model (vgg16|preresnet101) (?!.*--ticket)/.test(line)))
      expect(line).toContain('--rounds 2');
    expect(
      steps.filter((line) => line.includes('--modes reference')).every((line) => line.includes('--steps 20 ')),
    ).toBe(true);
    expect(calls().find((line) => line.startsWith('search '))).toContain('--idle-seconds 3');
  },
  60_000,
);

test('gpu.sh refuses what it does not know, and a peer that is not there', async () => {
  expect(await script('gpu.sh', '--fast')).toMatchObject({ status: 2, stderr: expect.stringContaining('--fast') });
  expect(await script('gpu.sh', '--out')).toMatchObject({ status: 2, stderr: expect.stringContaining('a value') });
  const peer = await script('gpu.sh', '--device', 'cpu', '--peer', at('nowhere'), '--out', at('none'));
  expect([peer.status, peer.stderr]).toEqual([1, expect.stringContaining('holds no peer_train.py')]);
  expect(existsSync(at('none'))).toBe(false);
}, 30_000);

test('full-cifar.sh: search, three prunings (no ticket has emerged by then), retraining, distances', async () => {
  writeFileSync(at('calls'), '');
  const args = [
    '--device',
    'cpu',
    '--epochs',
    '3',
    '--save',
    at('full'),
    '--json',
    '--out',
    at('parts'),
    '--',
    '--seed',
    '4',
  ];
  const { status, stdout, stderr } = await script('full-cifar.sh', ...args);
  expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);
  const last = stdout.trim().split('\n').at(-1)!;
  expect(JSON.parse(last)).toEqual({ seconds: expect.any(Number), epochs: 3, device: 'cpu' });
  expect(JSON.parse(readFileSync(at('parts', 'full-cifar.json'), 'utf8'))).toEqual(JSON.parse(last));
  const pairs = ['prune', 'retrain'];
  expect(calls().map((line) => line.split(' ')[0])).toEqual([
    'search',
    ...pairs,
    ...pairs,
    ...pairs,
    'distance',
    'plot',
  ]);
  for (const percent of [30, 50, 70]) {
    const retrain = calls().find((line) => line.includes(`retrain-${percent}`))!;
    expect(retrain).toContain('--seed 4');
    expect(retrain).toContain('--start-epoch 0');
  }
}, 30_000);
