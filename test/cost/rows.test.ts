import { type RowResult, readRow } from '../../src/cost/row-results';
import { rowsOf } from '../../src/cost/rows';
import { benchOf } from '../../src/cost/summary';
import { tableOf } from '../../src/cost/tables';
import { statistic } from '../../src/measure';
import { costText } from '../../src/report/cost-table';
import { fakeEarlyBird, fakeRun, IMAGES, json } from '../support/energy-folders';
import { comparison, EPOCHS, groupOf, whole } from './comparison';

test('mean and sample standard deviation', () => {
  expect(statistic([])).toBeNull();
  expect(statistic([3])).toEqual({ n: 1, mean: 3, sd: null });
  expect(statistic([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ n: 8, mean: 5, sd: Math.sqrt(32 / 7) });
});

test('every method counts each training it is made of', async () => {
  const c = comparison();
  whole(c);
  const bench = await c.bench();
  const [dense, ns, eb] = (['dense', 'ns', 'eb-ff'] as const).map((method) => groupOf(bench, method)) as [
    ReturnType<typeof groupOf>,
    ReturnType<typeof groupOf>,
    ReturnType<typeof groupOf>,
  ];
  const sd = (a: number, b: number) => Math.abs(a - b) / Math.SQRT2;
  expect(dense).toMatchObject({ n: 2, of: 2, ratio: null, drawn: null, gain: null });
  expect(dense.top1).toEqual({ n: 2, mean: 63, sd: expect.closeTo(sd(62, 64)) });
  expect(dense.top1Best!.mean).toBe(64);
  expect(dense.joules).toEqual({ n: 2, mean: 130, sd: expect.closeTo(sd(120, 140)) });
  expect(dense.exactFlops!.mean).toBe(3 * 2e9 * EPOCHS * IMAGES);
  expect(dense.seconds!.mean).toBe(20);
  // The dense training counts once in each of its rows, although it was run once.
  expect(ns.joules).toEqual({ n: 2, mean: 190, sd: expect.closeTo(sd(180, 200)) });
  expect(ns.exactFlops!.mean).toBe(3 * (2e9 + 1e9) * EPOCHS * IMAGES);
  expect(ns.gain).toMatchObject({ top1: 0, joules: 130 / 190, seconds: 0.5 });
  expect(eb.joules!.mean).toBe(65);
  expect(eb.exactFlops!.mean).toBe(3 * (2 * 2e9 + 8 * 1e9) * IMAGES);
  expect(eb.drawn).toEqual({ n: 2, mean: 2, sd: 0 });
  expect(eb.gain).toMatchObject({ joules: 2, exactFlops: 20 / 12 });
  expect(bench.notes.join('\n')).not.toMatch(/No energy|Synthetic|CO2|simulated/);
});

test("the paper's rule rounds the network, the exact rule counts the images that were read", async () => {
  const c = comparison({ methods: ['dense'], seeds: [1] });
  fakeRun(c.at('dense', 1), 'retrain', { epochs: EPOCHS, forward: 1.994e9, bad: 100 });
  const { flops } = (await c.bench()).rows[0]!;
  expect(flops!.exact).toBeCloseTo(3 * 1.994e9 * EPOCHS * (IMAGES - 100));
  expect(flops!.paper).toBeCloseTo(3 * 1.99e9 * EPOCHS * (IMAGES - 100));
});

test('a network too small for the rule of the paper has no figure by it', async () => {
  const c = comparison({ methods: ['dense'], seeds: [1] });
  fakeRun(c.at('dense', 1), 'retrain', { epochs: EPOCHS, forward: 4e6 });
  const bench = await c.bench();
  expect(groupOf(bench, 'dense')).toMatchObject({ paperFlops: null, exactFlops: { mean: 3 * 4e6 * EPOCHS * IMAGES } });
  expect(costText(tableOf(bench))).toMatch(/^FLOPs \(G\).*\n-+\nDense +–$/m);
  expect(bench.notes.join()).toContain('under 5 MFLOPs');
});

describe('energy', () => {
  test('is null with the reason where one seed has none', async () => {
    const c = comparison();
    whole(c);
    fakeRun(c.at('dense', 2), 'retrain', { epochs: EPOCHS, forward: 2e9, joules: null });
    const bench = await c.bench();
    for (const method of ['dense', 'ns'] as const) {
      expect(groupOf(bench, method)).toMatchObject({ joules: null, energyMissing: 'no counter' });
    }
    expect(groupOf(bench, 'eb-ff')).toMatchObject({ energyMissing: null, gain: { joules: null, seconds: 1 } });
    expect(bench.notes).toContain('No energy: no counter.');
  });

  test('is null where nothing or not all was metered', async () => {
    const c = comparison();
    whole(c, { dense: { metered: EPOCHS - 1 } });
    const { rows } = await c.bench();
    expect(rows[0]!.energy).toMatchObject({
      joules: null,
      estimated: false,
      reason: 'only 9 of 10 epochs were metered',
    });
    const bare = comparison({ methods: ['dense'], seeds: [1] });
    fakeRun(bare.at('dense', 1), 'retrain', { epochs: EPOCHS, forward: 2e9 });
    expect((await bare.bench()).rows[0]!.energy.reason).toBe('the runs were not metered');
  });

  test('estimates are flagged, through to the table', async () => {
    const c = comparison();
    whole(c, { dense: { method: 'estimated' } });
    const bench = await c.bench();
    expect(groupOf(bench, 'dense').energyEstimated).toBe(true);
    expect(groupOf(bench, 'eb-ff').energyEstimated).toBe(false);
    expect(costText(tableOf(bench))).toMatch(/^Dense +~0\.130 ± 0\.014$/m);
    expect(bench.notes.join()).toContain('~: energy estimated');
  });

  test('may be written for all stages at once, and pruning counts where it was metered', async () => {
    const c = comparison({ methods: ['dense', 'eb-ff'], seeds: [1] });
    fakeRun(c.at('dense', 1), 'retrain', { epochs: EPOCHS, forward: 2e9, joules: 100 });
    fakeEarlyBird(c.at('eb-ff', 1), { epochs: 2, forward: 2e9 }, { epochs: 8, forward: 1e9 });
    const phase = (joules: number) => ({ windows: 1, seconds: 1, joules });
    json(c.at('eb-ff', 1), 'energy.json', {
      version: 1,
      sources: [],
      idle: { seconds: 0, watts: null },
      phases: { search: phase(20), prune: phase(1), retrain: phase(40) },
    });
    expect((await c.read())[1]!.energy).toEqual({ joules: 61, estimated: false, ways: [] });
  });

  test('names what was read, and does not compare other parts', async () => {
    const c = comparison({ seeds: [1] });
    whole(c, { dense: { part: 'cpu' } });
    const bench = await c.bench();
    expect(groupOf(bench, 'dense').joules!.mean).toBe(120);
    // The dense training and that of the ticket measured different parts.
    expect(groupOf(bench, 'ns')).toMatchObject({
      joules: null,
      energyMissing: 'not the same parts were read everywhere: CPU (counter), and GPU (counter)',
    });
    expect(groupOf(bench, 'eb-ff')).toMatchObject({ joules: { mean: 65 }, gain: { joules: null } });
    expect(bench.notes.join()).toContain('CPU (counter) in Dense; GPU (counter) in EB Train FF');
    const same = comparison({ seeds: [1] });
    whole(same);
    expect((await same.bench()).notes.join()).toContain('Energy of GPU (counter), without the loading of data.');
  });

  test('leaves out the loading of data, and says that pruning is not in it', async () => {
    const c = comparison({ seeds: [1] });
    whole(c, { dense: { load: 15 } });
    const [dense, ns] = await c.read();
    expect(dense!.energy).toMatchObject({ joules: 105 });
    expect(ns!.energy).toMatchObject({ joules: 165, note: 'without pruning: the runs were not metered' });
    expect((await c.bench()).notes).toContain('Energy without pruning: the runs were not metered.');
  });

  test('grams only where a figure for a kWh is given', async () => {
    const c = comparison({ carbon: 360 });
    whole(c);
    const bench = await c.bench();
    expect(groupOf(bench, 'dense').co2!.mean).toBeCloseTo(130 / 1e4);
    expect(costText(tableOf(bench))).toContain('CO2 (g)');
    const without = comparison();
    whole(without);
    expect(groupOf(await without.bench(), 'dense')).not.toHaveProperty('co2');
  });
});

describe('rows that are not finished', () => {
  test('do not count, and the number of seeds says so', async () => {
    const c = comparison();
    whole(c);
    fakeRun(c.at('dense', 3), 'retrain', { epochs: 4 });
    const three = { ...c.recipe, seeds: [1, 2, 3] };
    const rows = await Promise.all(rowsOf(three).map((row) => readRow(c.save, row)));
    expect(rows.slice(-3).map(({ state }) => state)).toEqual(['interrupted', 'new', 'new']);
    expect(groupOf(benchOf(three, rows)!, 'dense')).toMatchObject({ n: 2, of: 3 });
  });

  test('without a finished one there is no table', async () => {
    const c = comparison();
    fakeRun(c.at('dense', 1), 'retrain', { epochs: 4 });
    expect(benchOf(c.recipe, await c.read())).toBeNull();
  });

  test('a dense row that failed has no ratio', async () => {
    const c = comparison();
    whole(c);
    const rows = (await c.read()).map(
      (row, i): RowResult => (i === 0 ? { ...row, state: 'failed', failure: 'It diverged.' } : row),
    );
    expect(benchOf(c.recipe, rows)!.notes).toContain('Dense, seed 1: It diverged.');
  });

  test('a row that failed is named', async () => {
    const c = comparison();
    whole(c);
    const rows = (await c.read()).map(
      (row, i): RowResult => (i === 2 ? { ...row, state: 'failed', failure: 'No ticket emerged.' } : row),
    );
    const bench = benchOf(c.recipe, rows)!;
    expect(groupOf(bench, 'eb-ff')).toMatchObject({ n: 1, of: 2, top1: { sd: null } });
    expect(bench.notes).toContain('EB Train FF, p = 0.3, seed 1: No ticket emerged.');
  });

  test('a seed that one side has not finished is left out of both sides of the comparison', async () => {
    const c = comparison();
    whole(c);
    const rows = (await c.read()).map(
      (row, i): RowResult => (i === 2 ? { ...row, state: 'failed', failure: 'No ticket emerged.' } : row),
    );
    const bench = benchOf(c.recipe, rows)!;
    // Seed 2 alone: 64 % on both sides, and 140 J of the dense training.
    expect(groupOf(bench, 'eb-ff')).toMatchObject({
      gainSeeds: [2],
      gain: { top1: 0, joules: 140 / 65, seconds: 1, exactFlops: 20 / 12 },
    });
    expect(groupOf(bench, 'dense').top1!.mean).toBe(63);
    expect(groupOf(bench, 'dense')).toMatchObject({ gain: null, gainSeeds: null });
    expect(groupOf(bench, 'ns')).toMatchObject({ gainSeeds: [1, 2], gain: { joules: 130 / 190 } });
    expect(bench.notes).toContain('In brackets over fewer seeds than asked for: EB Train FF, p = 0.3 (1 of 2).');
    expect((await c.bench()).notes.join()).not.toContain('fewer seeds');

    const none = benchOf(
      c.recipe,
      rows.map((row): RowResult => (row.method === 'eb-ff' ? { ...row, state: 'new' } : row)),
    )!;
    expect(groupOf(none, 'eb-ff')).toMatchObject({ gainSeeds: [], gain: { top1: null, joules: null } });
    expect(none.notes.join()).not.toContain('fewer seeds');
  });
});

test('rows of two machines are refused, and both are named', async () => {
  const c = comparison();
  whole(c);
  fakeRun(c.at('dense', 2), 'retrain', { epochs: EPOCHS, forward: 2e9, machine: { deviceName: 'GPU B' } });
  await expect(c.bench()).rejects.toMatchObject({
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringMatching(/seed-1.*cuda \(GPU A\).*seed-2.*cuda \(GPU B\)/),
  });
});

test('equal GPUs of one machine, and threads beside a GPU, are no difference', async () => {
  const c = comparison();
  whole(c);
  fakeRun(c.at('dense', 2), 'retrain', { epochs: EPOCHS, forward: 2e9, machine: { device: 'cuda:1', threads: 8 } });
  expect(await c.bench()).toMatchObject({ machine: { deviceName: 'GPU A' } });
});
