import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchReport, reportText, targetTable } from '../../src/experiment/bench-report';
import { judge, TARGETS } from '../../src/experiment/bench-targets';
import { H200, machineWith } from './machine';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eb-report-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const machine = machineWith(H200);

function parts(entries: [name: string, status: string, text: string][]): void {
  for (const [name, status, text] of entries)
    writeFileSync(join(folder, `${name}.${status === '0' ? 'json' : 'log'}`), text);
  writeFileSync(join(folder, 'status.tsv'), entries.map(([name, status]) => `${name}\t${status}\t7\n`).join(''));
}

const step = (more: object) => JSON.stringify({ machine, batchSize: 256, ...more });

test('met, missed, not measured, and at another size', () => {
  const verdictOf = (results: Record<string, unknown>, measure: string, work = 'VGG-16 on CIFAR, batch 256') =>
    judge(results).find((row) => row.work === work && row.measure === measure);
  const best = 'against the best of peer tuned and compiled';
  const results = {
    'step-vgg16': { batchSize: 256, ratios: { reference: 20 }, best: 1.3 },
    'compiled-vgg16': { batchSize: 256, best: 1.1 },
    'profile-vgg16': { batchSize: 256, shares: { floor: 0.4 } },
    'detect-vgg16': { batchSize: 256, share: 0.001 },
  };
  expect(verdictOf(results, 'against peer reference')).toMatchObject({
    shown: '20.00x',
    verdict: 'met',
    target: '>= 15.00x',
  });
  expect(verdictOf(results, best)).toMatchObject({ figure: 1.1, verdict: 'missed' });
  expect(verdictOf(results, 'share of its floor')).toMatchObject({ shown: '40 %', verdict: 'met' });
  expect(verdictOf(results, 'share of the epoch', 'masks of three ratios, distances, detection: vgg16')).toMatchObject({
    target: '< 0.1 %',
    verdict: 'missed',
  });
  expect(verdictOf({ ...results, 'compiled-vgg16': null }, best)).toMatchObject({ figure: 1.3, verdict: 'met' });
  expect(verdictOf({}, best)).toMatchObject({ figure: null, shown: '-', verdict: 'no figure' });
  expect(verdictOf({ 'step-vgg16': { batchSize: 2, best: 9 } }, best)).toMatchObject({ verdict: 'other batch size' });
  expect(
    verdictOf({ 'profile-resnet18': { shares: { floor: 0.3 } } }, 'share of its floor', 'ResNet-18 at 224, batch 256'),
  ).toMatchObject({
    shown: '30 %',
    verdict: 'stated',
    target: 'stated',
  });
});

test('a folder of parts becomes a table and one file of everything', async () => {
  parts([
    ['step-vgg16', '0', step({ ratios: { reference: 16 }, best: 1.2 })],
    ['profile-vgg16', '124', 'noise\nkilled'],
    ['tests', '0', 'all passed'],
    ['kernels', '-', 'no time was left for it'],
  ]);
  const out = join(folder, 'out');
  const report = await benchReport({ folder, out });
  expect(report.files.json).toBe(join(out, '2026-11-23-nvidia-h200.json'));
  expect(report.parts).toMatchObject([
    { name: 'step-vgg16', status: 0, seconds: 7, result: { best: 1.2 } },
    { name: 'profile-vgg16', status: 124, result: null, failure: 'killed' },
    { name: 'tests', result: 'all passed' },
    { name: 'kernels', status: null, failure: 'no time was left for it' },
  ]);
  expect(JSON.parse(readFileSync(report.files.json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(report)));
  const markdown = readFileSync(report.files.markdown, 'utf8');
  expect(markdown).toContain(targetTable(report.targets));
  expect(markdown).toContain('| VGG-16 on CIFAR, batch 256 | against peer reference | >= 15.00x | 16.00x | met |');
  expect(markdown).toContain('| profile-vgg16 | ran out of its time | 7 | killed |');
  expect(reportText(report)).toMatch(
    /^VGG-16 on CIFAR, batch 256 +against peer reference +>= 15\.00x +16\.00x {2}met$/m,
  );
  expect(report.targets).toHaveLength(TARGETS.length);
});

test('parts of two machines are refused, and so is a folder with none', async () => {
  parts([
    ['a', '0', step({})],
    ['b', '0', JSON.stringify({ machine: machineWith({ ...H200, name: 'NVIDIA H100' }) })],
  ]);
  await expect(benchReport({ folder })).rejects.toMatchObject({
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringMatching(/H200.*H100/),
  });
  parts([['a', '1', 'broken']]);
  await expect(benchReport({ folder })).rejects.toMatchObject({ code: 'ERR_FILE' });
  rmSync(join(folder, 'status.tsv'));
  await expect(benchReport({ folder })).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(benchReport({ folder: join(folder, 'none') })).rejects.toMatchObject({ code: 'ERR_FILE' });
});

test('a part that knows no GPU does not count as another machine', async () => {
  parts([
    ['loader', '0', JSON.stringify({ machine: machineWith(null) })],
    ['a', '0', step({})],
  ]);
  expect((await benchReport({ folder })).machine.gpu?.name).toBe('NVIDIA H200');
});
