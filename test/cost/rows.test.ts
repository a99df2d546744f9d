import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RowResult, readRow } from '../../src/cost/row-results';
import { folderOf, rowsOf } from '../../src/cost/rows';
import { benchOf } from '../../src/cost/summary';
import { drawFigure, tableOf, writeTables } from '../../src/cost/tables';
import { statistic } from '../../src/measure';
import type { EnergyMethod } from '../../src/recipe/cost';
import { parseRecipe } from '../../src/recipe/recipe';
import { costLatex, costMarkdown, costText, escapeLatex } from '../../src/report/cost-table';
import { temporaryFolder } from '../cli/tiny';
import { type FakeRun, fakeEarlyBird, fakeEnergy, fakeRun, fakeTicket, IMAGES, json } from '../support/energy-folders';
import { testLatex } from '../support/latex';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

const EPOCHS = 10;
let count = 0;

/** A comparison of dense, ns and eb-ff at p = 0.3, each with the runs that it has on disk for each seed. */
function comparison(more: object = {}) {
  const save = join(temporary.path, String(count++));
  const recipe = parseRecipe('benchEnergy', {
    save,
    epochs: EPOCHS,
    methods: ['dense', 'ns', 'eb-ff'],
    ratios: [0.3],
    seeds: [1, 2],
    ...more,
  });
  const at = (method: EnergyMethod, seed: number) => folderOf(save, method, method === 'dense' ? null : 0.3, seed);
  const read = () => Promise.all(rowsOf(recipe).map((row) => readRow(save, row)));
  return { save, recipe, at, read, bench: async () => benchOf(recipe, await read())! };
}

/** Both seeds of everything; seed s reaches 60 + 2s, and the dense training takes 100 + 20s joules. */
function whole({ at }: ReturnType<typeof comparison>, changes: { dense?: Partial<FakeRun> } = {}) {
  for (const seed of [1, 2]) {
    const common = { top1: 60 + 2 * seed, epochs: EPOCHS };
    fakeRun(at('dense', seed), 'retrain', { ...common, forward: 2e9, joules: 100 + 20 * seed, ...changes.dense });
    fakeTicket(at('ns', seed), { ...common, forward: 1e9, joules: 60 });
    fakeEarlyBird(
      at('eb-ff', seed),
      { epochs: 2, forward: 2e9, joules: 20 },
      { ...common, epochs: 8, forward: 1e9, joules: 45 },
    );
  }
}

const groupOf = (bench: NonNullable<ReturnType<typeof benchOf>>, method: EnergyMethod) =>
  bench.groups.find((group) => group.method === method)!;

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

describe('the table', () => {
  const bench = async (more: object = {}) => {
    const c = comparison(more);
    whole(c);
    return tableOf(await c.bench());
  };

  test('for a terminal', async () => {
    const text = costText(await bench());
    expect(text).toMatch(/^Accuracy \(%\) +p = 0\.3$/m);
    expect(text).toMatch(/^Network slimming +63\.00 ± 1\.41 \(\+0\.00\)$/m);
    expect(text).toMatch(/^EB Train FF +0\.065 ± 0\.000 \(2\.00x\)$/m);
    expect(text).toContain('VGG-19 on cifar10, 10 epochs; cuda (GPU A)');
  });

  test('has bit operations and modelled joules where every epoch was counted, apart from what was measured', async () => {
    const c = comparison();
    whole(c, { dense: { gbitops: 1000 } });
    for (const seed of [1, 2]) {
      fakeTicket(c.at('ns', seed), { epochs: EPOCHS, forward: 1e9, joules: 60, gbitops: 500 });
      fakeEarlyBird(
        c.at('eb-ff', seed),
        { epochs: 2, forward: 2e9, joules: 20, gbitops: 100 },
        { epochs: 8, forward: 1e9, joules: 45, gbitops: 50 },
      );
    }
    const bench = await c.bench();
    const text = costText(tableOf(bench));
    expect(text).toMatch(/^Bit operations \(T\) +p = 0\.3$/m);
    // 10 epochs of 1,000 and 10 of 500; 2 of 100 and 8 of 50.
    expect(text).toMatch(/^Network slimming +15\.00 ± 0\.00 \(0\.67x\)$/m);
    expect(groupOf(bench, 'eb-ff')).toMatchObject({
      gbitops: { mean: 600 },
      modelledJoules: { mean: expect.closeTo(6) },
      joules: { mean: 65 },
      gain: { gbitops: 10000 / 600 },
    });
    expect(text).toMatch(/^Multiply-adds, modelled \(J\) +p = 0\.3$/m);
    expect(bench.notes.join()).toContain('modelled by a table of 45 nm and not measured: it is in no sum');

    fakeRun(c.at('dense', 2), 'retrain', { epochs: EPOCHS, forward: 2e9, joules: 140 });
    const partly = await c.bench();
    expect(groupOf(partly, 'dense')).toMatchObject({ gbitops: null, modelledJoules: null });
    expect(groupOf(partly, 'eb-ff')).toMatchObject({ gbitops: { mean: 600 }, gain: { gbitops: null } });
  });

  test('a worse accuracy has a minus sign', async () => {
    const c = comparison();
    whole(c, { dense: { top1: 70.25 } });
    expect(costText(tableOf(await c.bench()))).toMatch(/^EB Train FF +63\.00 ± 1\.41 \(−7\.25\)$/m);
  });

  test('another baseline is compared with at its own ratio; the dense network has none', async () => {
    const c = comparison({ baseline: 'ns' });
    whole(c);
    const text = costText(tableOf(await c.bench()));
    expect(text).toMatch(/^EB Train FF +0\.065 ± 0\.000 \(2\.92x\)$/m);
    expect(text).toMatch(/^Dense +0\.130 ± 0\.014$/m);
    expect(text).toContain("Network slimming's over the method's");
  });

  test('for Markdown: quantities side by side', async () => {
    const lines = costMarkdown(await bench({ ratios: [0.3, 0.5] })).split('\n');
    const head = lines.find((line) => line.startsWith('| method'))!;
    expect(head).toBe(
      '| method | Accuracy (%), p = 0.3 | Accuracy (%), p = 0.5 | Energy (kJ), p = 0.3 | Energy (kJ), p = 0.5 | FLOPs (T), p = 0.3 | FLOPs (T), p = 0.5 |',
    );
    // At p = 0.5 there is only the dense network, which has no ratio.
    expect(lines.find((line) => line.startsWith('| Network'))).toMatch(/63\.00 ± 1\.41 \(\+0\.00\) \| – \|/);
    expect(lines.find((line) => line.startsWith('| Dense'))).toMatch(/63\.00 ± 1\.41 \| 63\.00 ± 1\.41 \|/);
  });

  testLatex('pdflatex compiles them', async () => {
    const table = await bench({ ratios: [0.3, 0.5] });
    return costLatex({ ...table, methods: ['100 % & a_b', ...table.methods.slice(1)] });
  });

  test('for LaTeX: every row has its columns, and nothing is left that LaTeX would stumble over', async () => {
    const table = await bench({ ratios: [0.3, 0.5] });
    const text = costLatex({ ...table, methods: ['100 % & a_b', ...table.methods.slice(1)], caption: 'a\nb' });
    const body = text.split('\n').filter((line) => !line.startsWith('%'));
    expect(text).toContain('100 \\% \\& a\\_b & 63.00 $\\pm$ 1.41 &');
    expect(text).toContain('(2.00$\\times$)');
    expect(text).toContain('% a b\n');
    const cells = body.filter((line) => line.endsWith('\\\\') && !line.includes('multicolumn'));
    const wide = 1 + 2 * table.more.length;
    expect(cells.map((line) => line.replaceAll('\\&', '').split('&').length)).toEqual([
      7,
      7,
      7,
      7,
      wide,
      wide,
      wide,
      wide,
    ]);
    expect(text).toMatch(/multicolumn\{2\}\{c\}\{[^}]*FLOPs/);
    expect(table.more.every(({ title }) => text.includes(escapeLatex(title)))).toBe(true);
    expect(body.join('\n')).toContain('\\begin{tabular}{lrrrrrr}');
    expect(body.join('\n')).toContain('\\cmidrule(lr){2-3} \\cmidrule(lr){4-5} \\cmidrule(lr){6-7}');
    expect(body.join('\n')).not.toMatch(/(?<!\\)[%_#~^±–−]/);
    for (const line of body) expect((line.match(/\$/g) ?? []).length % 2).toBe(0);
  });
});

test('the figure shows energy where all of it is known, else FLOPs', async () => {
  const c = comparison();
  whole(c);
  const draw = async () => {
    const { figures } = await drawFigure(c.save, await c.bench());
    return readFileSync(figures[0]!, 'utf8');
  };
  expect(await draw()).toContain('energy of training (kJ)');
  fakeRun(c.at('dense', 2), 'retrain', { epochs: EPOCHS, forward: 2e9, joules: null });
  expect(await draw()).toContain('training FLOPs (T, exact)');
});

test('files hold the comparison', async () => {
  const c = comparison();
  whole(c);
  const bench = await c.bench();
  const files = await writeTables(c.save, bench);
  expect(files.map((file) => file.split('.').at(-1))).toEqual(['json', 'md', 'tex']);
  expect(JSON.parse(readFileSync(files[0]!, 'utf8'))).toEqual(JSON.parse(JSON.stringify(bench)));
});

test('dense training alone has one column', async () => {
  const c = comparison({ methods: ['dense'], seeds: [1] });
  fakeRun(c.at('dense', 1), 'retrain', { epochs: EPOCHS, forward: 2e9 });
  fakeEnergy(c.at('dense', 1), 'retrain', { epochs: EPOCHS, joules: 5000 });
  const bench = await c.bench();
  expect(tableOf(bench)).toMatchObject({ columns: ['not pruned'] });
  expect(bench.notes.join('\n')).toContain('(n = 1); one seed has no deviation');
  expect(costText(tableOf(bench))).toMatch(/^Dense +5\.000$/m);
});
