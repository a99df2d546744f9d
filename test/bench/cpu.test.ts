/** scripts/bench/cpu.mjs joins the parts of several calls; nothing is measured here. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { makeTree, type Tree } from '../support/image-tree';
import { machineWith } from '../support/machine';

const SCRIPT = resolve(__dirname, '../../scripts/bench/cpu.mjs');

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

interface Versions {
  libtorch?: string;
  torch?: string;
  commit?: string | null;
}

function place(name: string, { libtorch = '2.13.0', torch = '2.13.0+cpu', commit }: Versions = {}): void {
  const machine = machineWith();
  const imagesPerSecond = { median: 10, low: 9, high: 11 };
  const result = {
    machine: { ...machine, versions: { ...machine.versions, libtorch, commit } },
    systems: {
      earlybird: { imagesPerSecond, runs: [{ dtype: 'fp32', versions: { libtorch } }] },
      tuned: { imagesPerSecond, runs: [{ dtype: 'fp32', versions: { torch } }] },
    },
  };
  tree.place(`parts/${name}.json`, JSON.stringify(result));
}

const run = () =>
  spawnSync(process.execPath, [SCRIPT, '--out', tree.root, '--only', 'none'], { encoding: 'utf8', timeout: 30_000 });

test.each([
  ['LibTorch', { libtorch: '2.14.0' }, '2.13.0', '2.14.0'],
  ['PyTorch', { torch: '2.14.0+cpu' }, '2.13.0+cpu', '2.14.0+cpu'],
])('parts of another %s are refused', (program, versions, before, now) => {
  place('vgg16-fp32');
  place('resnet18-fp32', versions);
  const { status, stderr } = run();
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`vgg16-fp32 was measured with ${program} ${before}, but resnet18-fp32 with ${now}`),
  ]);
});

test('several commits are named with their parts', () => {
  const markdown = () => {
    const { status, stderr, stdout } = run();
    expect([status, stderr]).toEqual([0, '']);
    return stdout;
  };
  place('vgg16-fp32', { commit: 'abc' });
  place('vgg16-bf16', { commit: 'abc' });
  expect(markdown()).not.toContain('commits');
  place('resnet18-fp32', { commit: null });
  expect(markdown()).toContain(
    'Parts of several commits: abc (vgg16-fp32, vgg16-bf16); one that was not recorded (resnet18-fp32).',
  );
});
