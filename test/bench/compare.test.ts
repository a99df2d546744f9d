import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareBenches } from '../../src/bench/compare';
import { compareText } from '../../src/cli/print/compare';
import { H200, machineWith } from '../support/machine';

const folder = mkdtempSync(join(tmpdir(), 'eb-compare-'));
afterAll(() => rmSync(folder, { recursive: true }));

const spread = (median: number, by = 0) => ({ median, low: median - by, high: median + by });

function result(name: string, value: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

const step = (rate: number, more: object = {}) => ({
  machine: machineWith(),
  model: 'vgg16',
  batchSize: 64,
  systems: {
    earlybird: { imagesPerSecond: spread(rate, 10), runs: [{ imagesPerSecond: spread(1) }], residentMib: null },
  },
  kernels: [{ name: 'conv weight', copy: spread(4) }],
  ...more,
});

test('ratios of the figures that both have', async () => {
  const [a, b] = [result('a.json', step(100)), result('b.json', step(150, { extra: spread(1) }))];
  const comparison = await compareBenches({ files: [a, b] });
  expect(comparison.figures).toEqual([
    { name: 'systems.earlybird.imagesPerSecond', a: 100, b: 150, ratio: 1.5, overlap: false },
    { name: 'kernels.conv weight.copy', a: 4, b: 4, ratio: 1, overlap: true },
  ]);
  expect(compareText(comparison)).toMatch(/^systems\.earlybird\.imagesPerSecond +100\.00 +150\.00 +1\.50x$/m);
});

test('rows are told by their names, wherever they stand', async () => {
  const rows = (...names: string[]) => ({ rows: names.map((name) => ({ name, rate: spread(name.length) })) });
  const files = [
    result('one.json', { machine: machineWith(), ...rows('earlybird x 1', 'earlybird x 2') }),
    result('two.json', { machine: machineWith(), ...rows('ddp x 1', 'earlybird x 2') }),
  ];
  const { figures } = await compareBenches({ files });
  expect(figures.map(({ name }) => name)).toEqual(['rows.earlybird x 2.rate']);
});

test('two machines are refused by name', async () => {
  const [a, b] = [result('a.json', step(100)), result('b.json', step(100, { machine: machineWith(H200) }))];
  await expect(compareBenches({ files: [a, b] })).rejects.toMatchObject({
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringMatching(/A CPU, 2 cores, 8 GiB and .* NVIDIA H200 \(140 GiB\)/),
  });
});

test('one processor name with other instruction sets: refused, and the sets are named', async () => {
  const on = (instructionSets: string[]) => ({
    machine: machineWith(null, 'AMD EPYC', { microArchitecture: 'family 25 model 17 stepping 1', instructionSets }),
  });
  const files = [
    result('avx2.json', step(100, on(['avx2', 'fma']))),
    result('avx512.json', step(100, on(['avx2', 'avx512_bf16', 'avx512f', 'fma']))),
  ];
  const refusal = {
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringContaining('which differ (only the second has avx512_bf16 avx512f): measure both'),
  };
  await expect(compareBenches({ files })).rejects.toMatchObject(refusal);
  expect((await compareBenches({ files: [files[0]!, files[0]!] })).notes).toEqual([]);
});

test('results of older versions compare with each other, with a note, and not with newer ones', async () => {
  const old = result('old.json', step(100));
  const machine = machineWith(null, 'A CPU', { microArchitecture: 'family 25', instructionSets: ['avx2'] });
  const young = result('young.json', step(100, { machine }));
  const comparison = await compareBenches({ files: [old, old] });
  expect(compareText(comparison)).toMatch(/^note: .*did not record the instruction sets/m);
  await expect(compareBenches({ files: [old, young] })).rejects.toMatchObject({
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringContaining('the first was made by an older version'),
  });
  const kernels = (device: string) => ({ systems: { earlybird: { a: spread(1), runs: [{ versions: { device } }] } } });
  const files = ['EPYC (AVX2)', 'EPYC (AVX512)'].map((device, i) => result(`k${i}.json`, step(1, kernels(device))));
  await expect(compareBenches({ files })).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringMatching(/EPYC \(AVX2\) and .* EPYC \(AVX512\)/),
  });
});

test.each([
  ['other settings', step(100, { batchSize: 8 }), 'ERR_USAGE', /batchSize 64 .* 8/],
  ['a setting that only one has', step(100, { precision: 'bf16' }), 'ERR_USAGE', /precision - and .* bf16/],
  ['other threads', step(100, { machine: { ...machineWith(), threads: 1 } }), 'ERR_USAGE', /threads 2 .* 1/],
  ['another ticket', step(100, { ticket: { ratio: 0.5 } }), 'ERR_USAGE', /ticket\.ratio - .* 0\.5/],
  ['small sizes', step(100, { quick: true }), 'ERR_USAGE', /quick - .* true/],
  ['another format', step(100, { format: 'nvfp4' }), 'ERR_USAGE', /format - .* nvfp4/],
  [
    'another precision of the step',
    step(100, { systems: { earlybird: { imagesPerSecond: spread(1), runs: [{ dtype: 'bf16' }] } } }),
    'ERR_USAGE',
    /dtype - .* bf16/,
  ],
  [
    'another precision of a ticket',
    step(100, { systems: { earlybird: { dense: spread(1), dtype: 'bf16' } } }),
    'ERR_USAGE',
    /dtype - .* bf16/,
  ],
  ['images of another size', step(100, { imageSize: 160 }), 'ERR_USAGE', /imageSize - .* 160/],
  [
    'nothing in common',
    { machine: machineWith(), model: 'vgg16', batchSize: 64, other: spread(1) },
    'ERR_USAGE',
    /no figure in common/,
  ],
  ['no machine', { systems: {} }, 'ERR_FILE', /names its machine/],
  ['no JSON', 'hello', 'ERR_FILE', /names its machine/],
])('%s', async (_name, value, code, message) => {
  const files = [result('a.json', step(100)), result('b.json', value)];
  await expect(compareBenches({ files })).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test('files that are not there, or not two', async () => {
  const a = result('a.json', step(1));
  await expect(compareBenches({ files: [a, join(folder, 'none')] })).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(compareBenches({ files: [a] })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('versions, clocks, limits and engine that differ are said', async () => {
  const gpu = { ...H200, state: { ...H200.state!, powerLimitWatts: 500, clocks: { ...H200.state!.clocks, sm: 1500 } } };
  const machine = machineWith(gpu);
  const b = { ...machine, versions: { ...machine.versions, libtorch: '2.14.0' } };
  const files = [
    result('a.json', step(100, { machine: machineWith(H200), steps: 20 })),
    result('b.json', step(100, { machine: b, steps: 50 })),
  ];
  const comparison = await compareBenches({ files });
  expect(comparison.differences).toEqual([
    { name: 'steps', a: '20', b: '50' },
    { name: 'machine.versions.libtorch', a: '2.13.0', b: '2.14.0' },
    { name: 'machine.gpu.state.clocks.sm', a: '1980', b: '1500' },
    { name: 'machine.gpu.state.powerLimitWatts', a: '700', b: '500' },
  ]);
  expect(compareText(comparison)).toContain('not the same: machine.gpu.state.powerLimitWatts 700 and 500');
});
