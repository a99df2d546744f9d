import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchReport, targetTable } from '../../src/bench/report';
import { judge, TARGETS } from '../../src/bench/targets';
import { reportText } from '../../src/cli/print/bench';
import { H200, machineWith } from '../support/machine';

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

const verdictOf = (results: Record<string, unknown>, measure: string, work = 'VGG-16 on CIFAR, batch 256') =>
  judge(results).find((row) => row.work === work && row.measure === measure);
const BEST = 'against the best of peer tuned and compiled';
const TICKET = 'VGG-16 ticket at p = 0.5, widths rounded to 8';

test('met, missed, not measured, and at another size', () => {
  const results = {
    'reference-vgg16': { batchSize: 256, ratios: { reference: 20 } },
    'step-vgg16': { batchSize: 256, ratios: { tuned: 1.3 } },
    'compiled-vgg16': { batchSize: 256, ratios: { compiled: 1.1 } },
    'profile-vgg16': { batchSize: 256, quick: false, shares: { floor: 0.4 } },
    'detect-vgg16': { batchSize: 256, share: 0.001 },
    'full-cifar': { seconds: 300, epochs: 3 },
  };
  expect(verdictOf(results, 'against peer reference')).toMatchObject({
    shown: '20.00x',
    verdict: 'met',
    target: '>= 15.00x',
  });
  expect(verdictOf(results, BEST)).toMatchObject({ figure: 1.1, verdict: 'missed' });
  expect(verdictOf(results, 'share of its floor')).toMatchObject({ shown: '40 %', verdict: 'met' });
  expect(verdictOf(results, 'share of the epoch', 'masks of three ratios, distances, detection: vgg16')).toMatchObject({
    target: '< 0.1 %',
    verdict: 'missed',
  });
  expect(verdictOf({}, BEST)).toMatchObject({ figure: null, shown: '-', verdict: 'no figure', dtype: null });
  expect(verdictOf({ 'step-vgg16': { batchSize: 2, ratios: { tuned: 9 } } }, BEST)).toMatchObject({
    verdict: 'other batch size',
  });
  const quick = { 'profile-vgg16': { batchSize: 256, quick: true, shares: { floor: 0.9 } } };
  expect(verdictOf(quick, 'share of its floor')).toMatchObject({ verdict: 'quick sizes' });
  expect(judge(results).find(({ measure }) => measure.includes('full-cifar'))).toMatchObject({
    figure: 300,
    verdict: 'other epochs',
  });
  expect(
    verdictOf({ 'profile-resnet18': { shares: { floor: 0.3 } } }, 'share of its floor', 'ResNet-18 at 224, batch 256'),
  ).toMatchObject({
    shown: '30 %',
    verdict: 'stated',
    target: 'stated',
  });
});

test('the best of two modes is known only where both gave a figure', () => {
  const tuned = (ratio: number) => ({ 'step-vgg16': { ratios: { tuned: ratio } } });
  const failed = { 'compiled-vgg16': { ratios: { compiled: null } } };
  expect(verdictOf({ ...tuned(1.3), ...failed }, BEST)).toMatchObject({ figure: 1.3, verdict: 'met, tuned only' });
  expect(verdictOf({ ...tuned(1.1), ...failed }, BEST)).toMatchObject({ verdict: 'missed' });
  expect(verdictOf({ 'compiled-vgg16': { ratios: { compiled: 1.2 } } }, BEST)).toMatchObject({
    verdict: 'met, compiled only',
  });
  expect(verdictOf(failed, BEST)).toMatchObject({ verdict: 'no figure' });
});

test('a ticket is judged by what it saves, ours beside FLOPs and beside the peer', () => {
  const ticket = { ratios: { tuned: 1.4 }, overFlops: 1.2, overPeer: { tuned: 0.9 } };
  const results = {
    'ticket-vgg16': ticket,
    'ticket-compiled-vgg16': { ratios: { compiled: 1.1 }, overPeer: { compiled: 1.05 } },
  };
  const of = (measure: string, parts: object = results) => verdictOf({ ...parts }, measure, TICKET);
  expect(of("against the peer's same ticket")).toMatchObject({ figure: 1.1, verdict: 'met' });
  expect(of('step time ratio over FLOPs ratio')).toMatchObject({ figure: 1.2, target: '< 1.25x', verdict: 'met' });
  const beside = "step time ratio over the peer's step time ratio";
  expect(of(beside)).toMatchObject({ figure: 1.05, verdict: 'missed' });
  expect(of(beside, { 'ticket-vgg16': ticket })).toMatchObject({ figure: 0.9, verdict: 'met, tuned only' });
});

test('a row says what was multiplied in, and how far the rounds lie apart', () => {
  const system = (dtype: string, low: number, high: number) => ({
    runs: [{ dtype }],
    imagesPerSecond: { median: (low + high) / 2, low, high },
  });
  const part = (rounds: number) => ({
    rounds,
    ratios: { reference: 20 },
    systems: { earlybird: system('bf16', 180, 220), reference: system('fp32', 10, 10) },
  });
  const row = (rounds: number) => verdictOf({ 'reference-vgg16': part(rounds) }, 'against peer reference');
  expect(row(2)).toMatchObject({ dtype: 'bf16 / fp32', rounds: '2, 18.00x to 22.00x' });
  expect(row(1)).toMatchObject({ rounds: '1' });
  const floor = { 'profile-vgg16': { precision: 'bf16', shares: { floor: 0.5 } } };
  expect(verdictOf(floor, 'share of its floor')).toMatchObject({ dtype: 'bf16', rounds: null });
});

test('a folder of parts becomes a table and one file of everything', async () => {
  parts([
    ['reference-vgg16', '0', step({ ratios: { reference: 16 }, best: 1.2 })],
    ['profile-vgg16', '124', 'noise\nkilled'],
    ['energy', '137', 'would not end'],
    ['tests', '0', 'all passed'],
    ['kernels', '-', 'no time was left for it'],
  ]);
  const out = join(folder, 'out');
  const report = await benchReport({ folder, out });
  expect(report.files.json).toBe(join(out, '2026-11-23-nvidia-h200.json'));
  expect(report.parts).toMatchObject([
    { name: 'reference-vgg16', status: 0, seconds: 7, result: { best: 1.2 } },
    { name: 'profile-vgg16', status: 124, result: null, failure: 'killed' },
    { name: 'energy', status: 137, result: null, failure: 'would not end' },
    { name: 'tests', result: 'all passed' },
    { name: 'kernels', status: null, failure: 'no time was left for it' },
  ]);
  expect(JSON.parse(readFileSync(report.files.json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(report)));
  const markdown = readFileSync(report.files.markdown, 'utf8');
  expect(markdown).toContain(targetTable(report.targets));
  expect(markdown).toContain(
    '| VGG-16 on CIFAR, batch 256 | against peer reference | >= 15.00x | 16.00x | - | - | met |',
  );
  expect(markdown).toContain('| profile-vgg16 | ran out of its time | 7 | killed |');
  expect(markdown).toContain('| energy | ran out of its time | 7 | would not end |');
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
  rmSync(join(folder, 'b.json'));
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

test('a result that was put beside the parts is taken, one of a part that failed is not', async () => {
  parts([
    ['a', '0', step({})],
    ['b', '1', 'broken'],
  ]);
  writeFileSync(join(folder, 'full-cifar.json'), JSON.stringify({ seconds: 400, epochs: 160 }));
  writeFileSync(join(folder, 'b.json'), step({}));
  writeFileSync(join(folder, 'torn.json'), '{"seconds":');
  await benchReport({ folder });
  const report = await benchReport({ folder });
  expect(report.parts.map(({ name }) => name)).toEqual(['a', 'b', 'full-cifar']);
  expect(report.parts.at(-1)).toEqual({
    name: 'full-cifar',
    status: 0,
    seconds: 400,
    result: { seconds: 400, epochs: 160 },
  });
  expect(report.targets.at(-1)).toMatchObject({ figure: 400, verdict: 'met', target: '< 480 s' });
});

test.each([[{ gpu: null }], ['a name'], [{ ...machine, gpu: {} }]])(
  'a part with half a machine is refused by its name',
  async (half) => {
    parts([['a', '0', JSON.stringify({ machine: half })]]);
    await expect(benchReport({ folder })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(join(folder, 'a.json')),
    });
  },
);
