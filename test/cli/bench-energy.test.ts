/** bench energy on a network of toy size: its runs, its continuation after a stop, its plan without LibTorch. */
import { existsSync, readFileSync, statSync, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { numbersOf } from '../../src/checkpoint/value';
import { cli, describeTrained, succeed } from './run-cli';
import { differences, EAGER, outcomeOf, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const EPOCHS = 3;
/** The recipe leaves out --seed and --report, which a comparison has no use for. */
const recipe = [...TINY.slice(0, TINY.indexOf('--seed')), '--device', 'cpu', '--threads', '1', ...EAGER];
const energy = (save: string, ...more: string[]) => [
  'bench',
  'energy',
  ...recipe,
  '--epochs',
  String(EPOCHS),
  '--ratios',
  '0.5',
  '--seeds',
  '3',
  '--save',
  save,
  ...more,
];
const methods = ['--methods', 'dense', 'lt', 'eb-ff'];

interface Row {
  method: string;
  state: string;
  stages: { name: string; epochs: number; forward: number; images: number }[];
  top1Last: number;
  drawn: number | null;
  energy: { joules: number | null; reason?: string };
  flops: { exact: number };
}

describeTrained('soft filter pruning', () => {
  test('trains the dense network of its own, whose smallest filters are 0 after each epoch, then the ticket of the others', async () => {
    const save = join(folder.path, 'soft');
    const { stdout } = await succeed(energy(save, '--methods', 'sfp', '--baseline', 'sfp', '--json'));
    const [row] = JSON.parse(stdout).rows as [Row];
    expect(row.stages.map(({ name, epochs }) => [name, epochs])).toEqual([
      ['soft', EPOCHS],
      ['retrain', EPOCHS],
    ]);
    expect(row.flops.exact).toBe(row.stages.reduce((sum, { forward, images }) => sum + 3 * forward * images, 0));
    const state = async (...names: string[]) => {
      const path = join(save, 'sfp', 'p50-seed-3', ...names);
      return stateDictOf((await readCheckpoint(path)).value, path);
    };
    const weight = (await state('soft', 'checkpoint.pth.tar')).get('feature.0.weight')!;
    const rows = Array.from({ length: 16 }, (_, c) => [...numbersOf(weight).slice(27 * c, 27 * (c + 1))]);
    const kept = rows.filter((filter) => filter.some((value) => value !== 0));
    expect(kept).toHaveLength(8);
    const cut = (await state('pruned', 'pruned.pth.tar')).get('feature.0.weight')!;
    expect([...numbersOf(cut)]).toEqual(kept.flat());
    // The same command again finds it finished.
    const again = JSON.parse((await succeed(energy(save, '--methods', 'sfp', '--baseline', 'sfp', '--json'))).stdout);
    expect(again.rows).toEqual([row]);
  });
});

describeTrained('tickets of criteria that look at images', () => {
  const methods = ['--methods', 'dense', 'snip', 'thinet'];

  test('SNIP pays for the ticket alone, ThiNet for the dense training too, which is run once', async () => {
    const save = join(folder.path, 'images');
    const { stdout } = await succeed(energy(save, ...methods, '--json'));
    const [dense, snip, thinet] = JSON.parse(stdout).rows as [Row, Row, Row];
    expect([dense, snip, thinet].map(({ stages }) => stages.map(({ name, epochs }) => [name, epochs]))).toEqual([
      [['dense', EPOCHS]],
      [['retrain', EPOCHS]],
      [
        ['dense', EPOCHS],
        ['retrain', EPOCHS],
      ],
    ]);
    const report = (method: string) =>
      JSON.parse(readFileSync(join(save, method, 'p50-seed-3', 'pruned', 'prune.json'), 'utf8'));
    expect(report('snip')).toMatchObject({ criterion: 'snip', drawn: 0, completed: 0 });
    expect(report('thinet')).toMatchObject({ criterion: 'thinet', drawn: EPOCHS });
    // The same share of each layer.
    for (const { total, kept } of report('thinet').layers) expect(kept).toBe(total / 2);
    // The weights of the ticket before its training are those with which the dense training began.
    const states = ['snip/p50-seed-3/pruned/pruned.pth.tar', 'dense/seed-3/init.pth.tar'].map(async (name) => {
      const path = join(save, name);
      return numbersOf(stateDictOf((await readCheckpoint(path)).value, path).get('feature.0.weight')!);
    });
    const [ticket, initial] = (await Promise.all(states)).map((values) => [...values]);
    expect(ticket!.every((value) => initial!.includes(value))).toBe(true);

    const plan = JSON.parse((await succeed(energy(save, ...methods, '--dry-run', '--json'))).stdout);
    expect(plan.rows.map(({ epochs }: { epochs: object }) => epochs)).toEqual([
      { dense: EPOCHS, ticket: 0 },
      { dense: 0, ticket: EPOCHS },
      { dense: EPOCHS, ticket: EPOCHS },
    ]);
  });

  test('SNIP without the dense training is refused', async () => {
    const { status, stderr } = await cli(energy(join(folder.path, 'alone'), '--methods', 'snip', '--baseline', 'snip'))
      .done;
    expect([status, stderr]).toEqual([2, expect.stringMatching(/add dense to --methods/)]);
  });
});

describeTrained('a comparison of one seed', () => {
  const whole = join(folder.path, 'whole');
  let rows: Row[];
  beforeAll(async () => {
    rows = JSON.parse((await succeed(energy(whole, ...methods, '--json'))).stdout).rows;
  });

  test('composes each method of its trainings', () => {
    expect(rows.map(({ method, state }) => [method, state])).toEqual([
      ['dense', 'finished'],
      ['lt', 'finished'],
      ['eb-ff', 'finished'],
    ]);
    const [dense, lt, eb] = rows as [Row, Row, Row];
    const epochs = ({ stages }: Row) => stages.map((stage) => [stage.name, stage.epochs]);
    expect(epochs(dense)).toEqual([['dense', EPOCHS]]);
    expect(epochs(lt)).toEqual([
      ['dense', EPOCHS],
      ['retrain', EPOCHS],
    ]);
    expect(eb.drawn).toBe(1);
    expect(epochs(eb)).toEqual([
      ['search', 1],
      ['retrain', EPOCHS - 1],
    ]);
    expect(lt.stages[0]).toEqual(dense.stages[0]);
    expect(lt.stages[1]!.forward).toBeLessThan(dense.stages[0]!.forward);
    for (const { stages, flops } of rows) {
      expect(flops.exact).toBe(stages.reduce((sum, { forward, images }) => sum + 3 * forward * images, 0));
    }
  });

  test('the lottery ticket begins with the initial weights of the dense network', async () => {
    const { stdout } = await succeed(['inspect', join(whole, 'lt', 'p50-seed-3', 'pruned', 'pruned.pth.tar')]);
    expect(stdout).toMatch(/init.*init\.pth\.tar/);
  });

  test('leaves JSON, Markdown, LaTeX and a figure', () => {
    for (const kind of ['json', 'md', 'tex', 'svg']) {
      expect(statSync(join(whole, `bench-energy.${kind}`)).size).toBeGreaterThan(500);
    }
    expect(readFileSync(join(whole, 'bench-energy.tex'), 'utf8')).toContain('LT one-shot & ');
    expect(readFileSync(join(whole, 'bench-energy.svg'), 'utf8')).toContain('Synthetic data');
  });

  test('the search of EB Train is the beginning of the dense training', () => {
    const first = (...names: string[]) =>
      JSON.parse(readFileSync(join(whole, ...names, 'metrics.jsonl'), 'utf8').split('\n')[0]!);
    const { train, test: tested } = first('dense', 'seed-3');
    expect(first('eb-ff', 'p50-seed-3', 'search')).toMatchObject({ train, test: tested });
  });

  test('finished rows are not run again', async () => {
    const file = join(whole, 'lt', 'p50-seed-3', 'retrain', 'checkpoint.pth.tar');
    const before = statSync(file).mtimeMs;
    const again = await succeed(energy(whole, ...methods, '--json'));
    expect(JSON.parse(again.stdout).rows).toEqual(rows);
    expect(statSync(file).mtimeMs).toBe(before);
  });

  test('another recipe in the same folder is refused, by the plan as well', async () => {
    for (const more of [[], ['--dry-run']]) {
      const { status, stderr } = await cli(energy(whole, ...methods, '--lr', '0.07', ...more)).done;
      expect([status, stderr]).toEqual([2, expect.stringContaining('lr: 0.05 there, 0.07 now')]);
    }
    const surgery = await cli(energy(whole, '--methods', 'dense', 'lt', '--surgery', 'exact')).done;
    expect([surgery.status, surgery.stderr]).toEqual([2, expect.stringContaining('surgery: "reference" there')]);
  });

  test('another number of threads is another machine', async () => {
    const { status, stderr } = await cli(energy(whole, ...methods, 'ns', '--threads', '2')).done;
    expect([status, stderr]).toEqual([1, expect.stringMatching(/1 thread\).*2 threads.*costs are not comparable/)]);
  });

  const moments: [string, string[], string][] = [
    ['while the ticket is cut', ['lt', 'p50-seed-3', 'pruned'], 'prune.txt'],
    ['in the retraining of the ticket', ['lt', 'p50-seed-3', 'retrain'], 'metrics.jsonl'],
  ];
  test.each(moments)('interrupted %s, it goes on', async (name, path, file) => {
    const save = join(folder.path, name.replaceAll(' ', '-'));
    const watched = join(save, ...path);
    await mkdir(watched, { recursive: true });
    const { child, done } = cli(energy(save, ...methods));
    const watcher = watch(watched, (_event, changed) => {
      if (changed === file && existsSync(join(watched, file))) child.kill('SIGKILL');
    });
    const killed = await done;
    watcher.close();
    expect(killed.signal).toBe('SIGKILL');
    const resumed = JSON.parse((await succeed(energy(save, ...methods, '--json'))).stdout) as { rows: Row[] };
    expect(resumed.rows.map(({ top1Last }) => top1Last)).toEqual(rows.map(({ top1Last }) => top1Last));
    for (const run of [
      ['dense', 'seed-3'],
      ['lt', 'p50-seed-3', 'retrain'],
    ]) {
      expect(differences(outcomeOf(join(save, ...run)), outcomeOf(join(whole, ...run)))).toEqual([]);
    }
  });
});

describe('--dry-run', () => {
  test('needs no LibTorch, and says what it cannot know without', async () => {
    const save = join(folder.path, 'plan');
    const { status, stdout } = await cli(energy(save, '--dry-run', '--images-per-second', '100', '--json'), {
      env: { LIBTORCH: '/nonexistent' },
    }).done;
    expect(status).toBe(0);
    const plan = JSON.parse(stdout);
    expect(plan.rows).toHaveLength(7);
    expect(plan.rows[0]).toMatchObject({ method: 'dense', state: 'new', flops: null, seconds: { estimated: true } });
    expect(plan.rows[0].seconds.value).toBeCloseTo((EPOCHS * 192) / 100);
    expect(plan.notes[0]).toContain('FLOPs unknown: the network describes itself through LibTorch.');
    expect(existsSync(save)).toBe(false);
  });
});
