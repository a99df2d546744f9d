/** A whole study on a network of toy size: it goes on where it was killed, in shards and in several processes it comes out the same. */
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EpochMetrics } from '../../src/run/metrics';
import type { StudyPlan } from '../../src/study/estimate';
import type { Study } from '../../src/study/summary';
import { cli, describeTrained, succeed, until } from './run-cli';
import { EAGER, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const recipe = [
  ...TINY.slice(0, TINY.indexOf('--seed')),
  '--device',
  'cpu',
  '--threads',
  '1',
  ...EAGER,
  '--epochs',
  '3',
];
const runs = ['--ratios', '0.5', '--draws', '0', 'emergence', 'last', '--controls', 'random', 'late'];
const words = (save: string, ...more: string[]) => [
  ...['study', ...recipe, ...runs, '--seeds', '1', '2', '--quiet', '--save', save],
  ...more,
];

/** The results without times. */
function outcomeOf(save: string) {
  const study = JSON.parse(readFileSync(join(save, 'study.json'), 'utf8')) as Study;
  const key = ({ seed, epoch, control }: Study['runs'][number]) => `${seed} ${epoch} ${control}`;
  const timeless = study.runs.map((run) => ({
    ...run,
    result: run.result && { ...run.result, seconds: 0, machine: undefined },
  }));
  return {
    runs: timeless.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    searches: study.searches.map((search) => ({ ...search, seconds: 0, machine: null })),
    verdicts: study.verdicts,
  };
}

describeTrained('a study of two seeds', () => {
  const whole = join(folder.path, 'whole');
  let study: Study & { files: string[] };
  beforeAll(async () => {
    study = JSON.parse((await succeed(words(whole, '--json'))).stdout);
  });

  test('has a search a seed, three draws, and the controls of two', () => {
    expect(study.searches.map(({ seed, epochs }) => [seed, epochs])).toEqual([
      [1, 3],
      [2, 3],
    ]);
    const own = study.runs
      .filter(({ seed }) => seed === 1)
      .map(({ epoch, control, draws }) => [epoch, control, draws[0]]);
    expect(own.map(String).sort()).toEqual([
      '0,,0',
      '1,,emergence',
      '1,late,emergence',
      '1,random,emergence',
      '3,,last',
      '3,random,last',
    ]);
    expect(study.runs.every(({ state, result }) => state === 'finished' && result!.curve.length === 3)).toBe(true);
    expect(study.runs.map(({ result }) => result!.machine)).toEqual(study.runs.map(() => study.searches[0]!.machine));
  });

  test('counts the search that a run needs', () => {
    const search = study.searches[0]!;
    const epoch = 3 * search.forward * search.images;
    const cost = (control: string | null, at: number) =>
      study.runs.find((run) => run.seed === 1 && run.control === control && run.epoch === at)!.result!.flops;
    expect(cost(null, 0).search).toBe(0);
    expect(cost('random', 1).search).toBe(epoch);
    expect(cost('late', 1).search).toBe(3 * epoch);
    const ticket = study.runs.find((run) => run.seed === 1 && run.control === null && run.epoch === 1)!.result!;
    expect(ticket.flops.retrain).toBe(3 * 3 * ticket.forward * search.images);
  });

  test('tickets and controls keep as many channels, and other ones', () => {
    for (const seed of [1, 2]) {
      const at = (control: string | null) =>
        study.runs.find((run) => run.seed === seed && run.epoch === 1 && run.control === control)!.result!;
      expect(at('random').kept).toBe(at(null).kept);
      expect(at('random').forward).toBe(at(null).forward);
      const mask = (name: string) =>
        readFileSync(join(whole, `seed-${seed}`, 'p50', 'epoch-1', name, 'mask.bits'), 'hex');
      expect(mask('random')).not.toBe(mask('ticket'));
      const stored = readFileSync(join(whole, `seed-${seed}`, 'search', 'masks', '50.bits'), 'hex');
      const row = (epoch: number) => stored.slice(epoch * mask('ticket').length).slice(0, mask('ticket').length);
      expect([mask('ticket'), mask('late')]).toEqual([row(1), row(3)]);
    }
    // Before training all gammas are equal: that mask is not empty.
    const first = study.runs.find(({ epoch }) => epoch === 0)!.result!;
    expect(first.kept).toBeGreaterThan(0.45 * first.channels);
    expect(first.kept).toBeLessThan(0.55 * first.channels);
  });

  test('leaves JSON, CSV, Markdown, LaTeX and two figures, and no weights of tickets', () => {
    for (const name of ['study.json', 'study.csv', 'study.md', 'study.tex', 'study-draws.svg', 'study-controls.svg'])
      expect(statSync(join(whole, name)).size).toBeGreaterThan(400);
    expect(readFileSync(join(whole, 'study.csv'), 'utf8').trim().split('\n')).toHaveLength(1 + study.runs.length);
    const left = readdirSync(join(whole, 'seed-1', 'p50'), { recursive: true, encoding: 'utf8' });
    expect(left.filter((name) => name.endsWith('.pth.tar'))).toEqual([]);
  });

  test('is not run again', async () => {
    const times = () => statSync(join(whole, 'seed-1', 'p50', 'epoch-1', 'random', 'result.json')).mtimeMs;
    const before = times();
    await succeed(words(whole));
    expect(times()).toBe(before);
  });

  test('refuses another recipe', async () => {
    const { status, stderr } = await cli(words(whole, '--lr', '0.2')).done;
    expect(status).toBe(2);
    expect(stderr).toContain('holds a study with another recipe (--lr: 0.05 there, 0.2 now)');
  });

  test('a ratio that was added later says that its search did not follow it', async () => {
    const { stdout } = await succeed(words(whole, '--ratios', '0.3', '0.5', '--dry-run', '--json'));
    const { rows } = JSON.parse(stdout) as StudyPlan;
    const own = (ratio: number) =>
      rows.filter((row) => row.ratio === ratio).map(({ what, runs: count }) => [what, count]);
    // The ticket of no epoch and that of the last, with the control of the last one.
    expect(own(0.3)).toEqual([
      ['tickets', 4],
      ['controls', 2],
    ]);
    expect(own(0.5)).toEqual([
      ['tickets', 6],
      ['controls', 6],
    ]);
  });

  test('a shard plans the searches of its own seeds', async () => {
    const { stdout } = await succeed(words(whole, '--shard', '1/2', '--dry-run', '--json'));
    expect((JSON.parse(stdout) as StudyPlan).rows[0]).toMatchObject({ what: 'searches', runs: 1, finished: 1 });
    const { status, stderr } = await cli(words(whole, '--shard', '3/2')).done;
    expect([status, stderr]).toEqual([2, expect.stringContaining('--shard 3/2 is not possible')]);
  });

  test('--force with another recipe removes the runs of the old one first', async () => {
    const save = join(folder.path, 'forced');
    cpSync(whole, save, { recursive: true });
    writeFileSync(join(save, 'study-notes.md'), 'my own');
    const { child, done } = cli(words(save, '--lr', '0.2', '--force'));
    await until(() => JSON.parse(readFileSync(join(save, 'params.json'), 'utf8')).identity.lr === 0.2);
    child.kill('SIGKILL');
    await done;
    expect(existsSync(join(save, 'seed-2'))).toBe(false);
    expect(existsSync(join(save, 'seed-1', 'p50'))).toBe(false);
    expect(existsSync(join(save, 'study.json'))).toBe(false);
    expect(readFileSync(join(save, 'study-notes.md'), 'utf8')).toBe('my own');
    await succeed(words(save, '--lr', '0.2', '--seeds', '1'));
    const { searches } = outcomeOf(save);
    expect(searches[0]!.top1Last).not.toBe(outcomeOf(whole).searches[0]!.top1Last);
  });

  test('goes on after a kill, and comes out the same', async () => {
    const save = join(folder.path, 'killed');
    const first = join(save, 'seed-2', 'p50', 'epoch-1', 'ticket', 'retrain', 'metrics.jsonl');
    const { child, done } = cli(words(save));
    await until(() => existsSync(first));
    child.kill('SIGKILL');
    await done;
    expect(existsSync(join(save, 'seed-2', 'p50', 'epoch-0', 'ticket', 'result.json'))).toBe(false);
    await succeed(words(save));
    expect(outcomeOf(save)).toEqual(outcomeOf(whole));
  });

  test('in two shards, joined, comes out the same', async () => {
    const shards = ['a', 'b'].map((name) => join(folder.path, name));
    for (const [i, save] of shards.entries()) await succeed(words(save, '--shard', `${i + 1}/2`));
    expect(existsSync(join(shards[0]!, 'seed-2'))).toBe(false);
    const joined = join(folder.path, 'joined');
    await succeed(['study', '--merge', ...shards, '--save', joined]);
    expect(outcomeOf(joined)).toEqual(outcomeOf(whole));
  });

  test('in two processes comes out the same', async () => {
    const save = join(folder.path, 'jobs');
    await succeed(words(save, '--jobs', '2'));
    expect(outcomeOf(save)).toEqual(outcomeOf(whole));
  });

  test('names a failed run, goes on with the others, and ends with 1', async () => {
    const save = join(folder.path, 'failed');
    await succeed([
      'study',
      ...recipe,
      '--ratios',
      '0.5',
      '--seeds',
      '1',
      '--controls',
      'none',
      '--draws',
      'last',
      '--quiet',
      '--save',
      save,
    ]);
    writeFileSync(join(save, 'seed-1', 'search', 'EB-50-2.pth.tar'), 'damaged');
    const { status, stdout } = await cli(words(save)).done;
    expect(status).toBe(1);
    expect(stdout).toMatch(/Failed: p = 0\.5, ticket at emergence, seed 1: .*EB-50-2\.pth\.tar/);
    const { runs: all } = outcomeOf(save);
    const failed = all.filter(({ state }) => state === 'failed');
    expect(failed.map(({ seed, epoch }) => [seed, epoch])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(all.filter(({ state }) => state === 'finished')).toHaveLength(9);
  });

  test('the plan runs nothing, and takes emergence and speed from searches on disk', async () => {
    const { stdout } = await succeed(words(whole, '--dry-run', '--json'));
    const { left, all, rows } = JSON.parse(stdout);
    expect([all.runs, left.runs]).toEqual([14, 0]);
    expect(rows.map(({ what, runs: count }: { what: string; runs: number }) => [what, count])).toEqual([
      ['searches', 2],
      ['tickets', 6],
      ['controls', 6],
    ]);
    const fresh = join(folder.path, 'fresh');
    const plan = (await succeed(words(fresh, '--dry-run', '--images-per-second', '100', '--assume-emergence', '1')))
      .stdout;
    expect(plan).toMatch(/^14 runs, .* 14 left, .* about \d+ (s|min) one after another\.$/m);
    expect(existsSync(fresh)).toBe(false);
  });
});

describeTrained('a study in a format', () => {
  const save = join(folder.path, 'mxint8');
  const low = [
    ...['study', ...recipe, '--ratios', '0.5', '--seeds', '1', '--draws', '1', 'last', '--controls', 'none'],
    ...['--format', 'mxint8', '--quiet', '--save', save, '--json'],
  ];
  const epochsOf = (...names: string[]) =>
    readFileSync(join(save, ...names, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as EpochMetrics).arithmetic!);
  const sum = (epochs: { gbitops: number }[]) => epochs.reduce((all, { gbitops }) => all + gbitops, 0);

  test('gives it to every run, and counts bit operations as planned', async () => {
    const plan = JSON.parse((await succeed([...low, '--dry-run'])).stdout) as StudyPlan;
    expect(plan.formats).toContain('weight mxint8, activate mxint8, grad mxint8, error mxint8');
    const study = JSON.parse((await succeed([...low, '--jobs', '2'])).stdout) as Study;
    const search = epochsOf('seed-1', 'search');
    expect(plan.rows[0]).toMatchObject({ what: 'searches', gbitops: expect.closeTo(sum(search), 6) });
    for (const epoch of [1, 3]) {
      const retrained = epochsOf('seed-1', 'p50', `epoch-${epoch}`, 'ticket', 'retrain');
      for (const { bits } of [...search, ...retrained])
        expect(bits).toEqual({ weight: 8, activate: 8, error: 8, grad: 8 });
      expect(study.runs.find((run) => run.epoch === epoch)!.result!.gbitops).toEqual({
        search: expect.closeTo(sum(search.slice(0, epoch)), 6),
        retrain: expect.closeTo(sum(retrained), 6),
      });
    }
    expect(readFileSync(join(save, 'study.md'), 'utf8')).toMatch(/\| cost +\| bit ops +\|/);
    expect(readFileSync(join(save, 'study.csv'), 'utf8').split('\n')[0]).toMatch(
      /,search_gbitops,retrain_gbitops,seconds,failure$/,
    );
    const other = await cli(low.map((word) => (word === 'mxint8' ? 'nvfp4' : word))).done;
    expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('holds a study with another recipe')]);
  });

  test('that follows the masks of the search has none in its retrainings', async () => {
    const own = join(folder.path, 'mask-schedule');
    const words = low.map((word) => (word === 'mxint8' ? 'bfp8' : word === save ? own : word));
    const study = JSON.parse((await succeed([...words, '--precision-schedule', 'mask'])).stdout) as Study;
    expect(study.runs.map(({ state }) => state)).toEqual(['finished', 'finished']);
    const lines = readFileSync(join(own, 'seed-1', 'p50', 'epoch-1', 'ticket', 'retrain', 'metrics.jsonl'), 'utf8');
    for (const line of lines.trim().split('\n'))
      expect((JSON.parse(line) as EpochMetrics).arithmetic!.bits.weight).toBe(8);
  });

  test('a schedule needs one, which is said before anything runs', async () => {
    const words = [...low.filter((word) => !['--format', 'mxint8'].includes(word)), '--precision-schedule', 'mask'];
    const { status, stderr } = await cli([...words, '--dry-run']).done;
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('--precision-schedule mask needs low precision: give --format, or the --wl options'),
    ]);
  });
});
