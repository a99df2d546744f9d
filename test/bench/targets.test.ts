/** scripts/bench/targets.mjs judges the parts of a folder by its targets. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { makeTree, type Tree } from '../support/image-tree';
import { H200, machineWith } from '../support/machine';

const SCRIPT = resolve(__dirname, '../../scripts/bench/targets.mjs');
const machine = machineWith(H200);
const CIFAR = 'VGG-16 on CIFAR, batch 256';
const REFERENCE = 'against peer reference';
const BEST = 'against the best of peer tuned and compiled';

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

const run = (out = 'out') => spawnSync(process.execPath, [SCRIPT, tree.root, tree.at(out)], { encoding: 'utf8' });

type Row = Record<string, string>;

/** The rows of the table for parts that succeeded, by work; of one work by measure. */
function judged(results: Record<string, object>): (work?: string) => Record<string, Row> {
  for (const [name, result] of Object.entries(results))
    tree.place(`${name}.json`, JSON.stringify({ machine, ...result }));
  tree.place(
    'status.tsv',
    Object.keys(results)
      .map((name) => `${name}\t0\t7\n`)
      .join(''),
  );
  const { status, stdout, stderr } = run();
  expect([status, stderr]).toEqual([0, '']);
  const { targets } = JSON.parse(readFileSync(/written: (\S+\.json)/.exec(stdout)![1]!, 'utf8'));
  return (work = CIFAR) =>
    Object.fromEntries(targets.flatMap((row: Row) => (row.work === work ? [[row.measure, row]] : [])));
}

test('met, missed, not measured, and of another size', () => {
  const parts = {
    'reference-vgg16': { batchSize: 256, ratios: { reference: 20 } },
    'step-vgg16': { ratios: { tuned: 1.3 } },
    'compiled-vgg16': { ratios: { compiled: 1.1 } },
    'profile-vgg16': { quick: false, shares: { roofline: 0.4 } },
    'detect-vgg16': { share: 0.001 },
    'full-cifar': { seconds: 300, epochs: 3 },
  };
  const rows = judged(parts);
  expect(rows()).toMatchObject({
    [REFERENCE]: { target: '>= 15.00x', figure: '20.00x', verdict: 'met' },
    [BEST]: { figure: '1.10x', verdict: 'missed' },
    'share of the roofline': { target: '>= 40 %', figure: '40 %', verdict: 'met' },
  });
  expect(rows('masks of three ratios, distances, detection: vgg16')).toMatchObject({
    'share of the epoch': { target: '< 0.1 %', verdict: 'missed' },
  });
  expect(rows('ResNet-18 at 224, batch 256')).toMatchObject({ [BEST]: { figure: '-', verdict: 'no figure' } });
  expect(rows('full VGG-16 search, three prunings and retrainings, matrices, report')).toMatchObject({
    'seconds of scripts/bench/full-cifar.sh': { figure: '300 s', target: '< 480 s', verdict: 'other epochs' },
  });
  const quick = { 'profile-vgg16': { quick: true, shares: { roofline: 0.9 } } };
  const small = { 'reference-vgg16': { batchSize: 2, ratios: { reference: 90 } } };
  expect(judged({ ...quick, ...small })()).toMatchObject({
    [REFERENCE]: { verdict: 'other batchSize' },
    'share of the roofline': { verdict: 'other quick' },
  });
  const shares = { 'profile-resnet18': { shares: { roofline: 0.3 } } };
  expect(judged(shares)('ResNet-18 at 224, batch 256')).toMatchObject({
    'share of the roofline': { figure: '30 %', target: 'none', verdict: 'not judged' },
  });
});

test('the best of two modes is known only where both gave a figure', () => {
  const best = (tuned: number | null, compiled: number | null) =>
    judged({ 'step-vgg16': { ratios: { tuned } }, 'compiled-vgg16': { ratios: { compiled } } })()[BEST]!;
  expect(best(1.3, null)).toMatchObject({ figure: '1.30x', verdict: 'met, tuned only' });
  expect(best(1.1, null)).toMatchObject({ verdict: 'missed' });
  expect(best(null, 1.2)).toMatchObject({ verdict: 'met, compiled only' });
  expect(best(null, null)).toMatchObject({ verdict: 'no figure' });
});

test('a ticket is judged by FLOPs and beside the peer, where less is better', () => {
  const parts = {
    'ticket-vgg16': { ratios: { tuned: 1.4 }, overFlops: 1.2, overPeer: { tuned: 0.9 } },
    'ticket-compiled-vgg16': { ratios: { compiled: 1.1 }, overPeer: { compiled: 1.05 } },
  };
  expect(judged(parts)('VGG-16 ticket at p = 0.5, widths rounded to 8')).toMatchObject({
    "against the peer's same ticket": { figure: '1.10x', verdict: 'met' },
    'step time ratio over FLOPs ratio': { figure: '1.20x', target: '< 1.25x', verdict: 'met' },
    "step time ratio over the peer's": { figure: '1.05x', verdict: 'missed' },
  });
});

test('a row names the number formats, and how far the rounds lie apart', () => {
  const system = (dtype: string, low: number, high: number) => ({ runs: [{ dtype }], imagesPerSecond: { low, high } });
  const systems = { earlybird: system('bf16', 180, 220), reference: system('fp32', 10, 10) };
  const row = (rounds: number) =>
    judged({ 'reference-vgg16': { rounds, ratios: { reference: 20 }, systems } })()[REFERENCE];
  expect(row(2)).toMatchObject({ dtype: 'bf16 / fp32', rounds: '2, 18.00x to 22.00x' });
  expect(row(1)).toMatchObject({ rounds: '1' });
});

test('parts that failed are named with the reason; results put beside the parts are taken', () => {
  tree.place('status.tsv', 'a\t0\t7\ntests\t0\t7\nslow\t124\t7\nstuck\t137\t7\nlate\t-\t0\n');
  tree.place('a.json', JSON.stringify({ machine }));
  tree.place('tests.json', 'all passed');
  tree.place('slow.log', 'noise\nkilled');
  tree.place('slow.json', JSON.stringify({ machine }));
  tree.place('late.log', 'no time was left for it');
  tree.place('full-cifar.json', JSON.stringify({ seconds: 400, epochs: 160 }));
  tree.place('torn.json', '{"seconds":');
  expect(run('').status).toBe(0);
  expect(run('').status).toBe(0); // the report of the first call is no part
  const { parts } = JSON.parse(readFileSync(tree.at('2026-11-23-nvidia-h200.json'), 'utf8'));
  expect(parts).toEqual([
    { name: 'a', status: 0, seconds: 7, result: { machine } },
    { name: 'tests', status: 0, seconds: 7, result: 'all passed' },
    { name: 'slow', status: 124, seconds: 7, result: null, failure: 'killed' },
    { name: 'stuck', status: 137, seconds: 7, result: null, failure: '' },
    { name: 'late', status: null, seconds: 0, result: null, failure: 'no time was left for it' },
    { name: 'full-cifar', status: 0, seconds: 400, result: { seconds: 400, epochs: 160 } },
  ]);
  const markdown = readFileSync(tree.at('2026-11-23-nvidia-h200.md'), 'utf8');
  expect(markdown).toContain('| slow | ran out of its time | 7 | killed |');
  expect(markdown).toContain('| stuck | ran out of its time | 7 |  |');
  expect(markdown).toContain('| late | not run | 0 | no time was left for it |');
});

test('parts of two machines are refused, and so is a folder without any', () => {
  expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('give the folder') });
  tree.place('status.tsv', 'a\t1\t7\n');
  expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('no part succeeded') });
  tree.place('status.tsv', 'loader\t0\t7\na\t0\t7\nb\t0\t7\n');
  tree.place('loader.json', JSON.stringify({ machine: machineWith(null) })); // asks for no GPU: no other machine
  tree.place('a.json', JSON.stringify({ machine }));
  tree.place('b.json', '{}');
  expect(run().status).toBe(0);
  tree.place('b.json', JSON.stringify({ machine: machineWith({ ...H200, name: 'NVIDIA H100' }) }));
  expect(run()).toMatchObject({ status: 1, stderr: expect.stringMatching(/NVIDIA H200.*NVIDIA H100/) });
});
