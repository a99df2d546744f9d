import { readFileSync } from 'node:fs';
import { drawFigure, tableOf, writeTables } from '../../src/cost/tables';
import { costLatex, costMarkdown, costText, escapeLatex } from '../../src/report/cost-table';
import { fakeEarlyBird, fakeEnergy, fakeRun, fakeTicket } from '../support/energy-folders';
import { testLatex } from '../support/latex';
import { comparison, EPOCHS, groupOf, whole } from './comparison';

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
    // Nothing is there at p = 0.5 but the dense network, which has no ratio.
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
