import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { lockFolder } from '../../src/lock';
import { keyOf, searchFolder } from '../../src/study/plan';
import { overlapMatrix } from '../../src/ticket/mask';
import { Board } from '../../src/watch/board';
import { factsOf, secondsAnEpoch, secondsLeft } from '../../src/watch/facts';
import { isServed, openServed } from '../../src/watch/files';
import { findRuns, stagesIn } from '../../src/watch/find';
import { GrowingOverlap } from '../../src/watch/overlaps';
import { Pace } from '../../src/watch/pace';
import { renderPage } from '../../src/watch/page';
import { RunReader } from '../../src/watch/read';
import { epochMetrics, range } from '../support/report-sample';
import { CHANNELS, goTo, maskAfter, writeRunFolder } from '../support/run-folder';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'earlybird-watch-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

const readerOf = (folder: string) => new RunReader({ folder, name: 'run' }, (view) => void factsOf(view));

test('a growing overlap is the matrix of all masks, also where a resumed run has others', () => {
  const growing = new GrowingOverlap();
  const first = range(6).map(maskAfter);
  expect(growing.of(first, CHANNELS)).toEqual(overlapMatrix(first, CHANNELS));
  const more = range(9).map(maskAfter);
  expect(growing.of(more, CHANNELS)).toEqual(overlapMatrix(more, CHANNELS));
  const resumed = [...first.slice(0, 4), Uint8Array.from({ length: CHANNELS / 8 }, () => 0xaa)];
  expect(growing.of(resumed, CHANNELS)).toEqual(overlapMatrix(resumed, CHANNELS));
  expect(growing.of([], CHANNELS)).toEqual(new Float64Array(0));
});

test('the pace allows a burst, then its share, and idle time is not saved up', () => {
  let [now, spent] = [0, 0];
  const pace = new Pace(
    0.01,
    () => now,
    () => spent,
  );
  expect(pace.isReady).toBe(true);
  spent = 700;
  expect(pace.isReady).toBe(false);
  now = 39_000;
  expect(pace.isReady).toBe(false);
  now = 41_000;
  expect(pace.isReady).toBe(true);
  now = 1e9;
  expect(pace.isReady).toBe(true);
  spent += 700;
  expect(pace.isReady).toBe(false);
});

describe('what is known of a run', () => {
  test('curves, matrices, the detector and the time left of a search', async () => {
    await writeRunFolder(base, { epochs: 12, completed: 6 });
    using lock = await lockFolder(base);
    const view = await readerOf(lock.folder).read();
    expect(view).toMatchObject({ state: 'training', command: 'search', hasReport: false });
    expect(view.input.runs[0]!.metrics).toHaveLength(6);
    expect(view.input.matrices[0]).toMatchObject({ ratio: 0.3, emergedAt: null, window: 5 });
    expect(view.input.matrices[0]!.epochs).toEqual(range(7));
    // An epoch takes 2 s of training and 1 s of testing.
    expect(secondsAnEpoch(view.stages[0]!.metrics)).toBe(3);
    expect(secondsLeft(view.stages[0]!)).toBe(18);
    const facts = factsOf(view);
    expect(facts.progress).toEqual([{ name: 'search', done: 0.5, text: 'epoch 7 of 12' }]);
    expect(facts.detections).toEqual([
      { ratio: '30 %', signal: '0.160', threshold: '0.1', state: 'not settled', emerged: false },
    ]);
  });

  test('what is inside an epoch counts, and the first epoch has a time left by its images', async () => {
    await writeRunFolder(base, { epochs: 4, completed: 0 });
    const live = { phase: 'search', epoch: 0, epochs: 4, pass: 'train', step: 25, steps: 100, seconds: 5 };
    await writeFile(
      join(base, '.earlybird-live.json'),
      JSON.stringify({ ...live, imagesPerSecond: 77, loss: 2, top1: 9 }),
    );
    using lock = await lockFolder(base);
    const view = await readerOf(lock.folder).read();
    expect(secondsLeft(view.stages[0]!)).toBe(3.75 * 20);
    expect(factsOf(view).progress[0]).toMatchObject({ done: 0.0625, text: 'epoch 1 of 4, train 25 %' });
    expect(factsOf(view).values).toContainEqual(['images/s', '77']);
    expect(factsOf(view).detections[0]).toMatchObject({ state: '0 of 5 masks' });
  });

  test('a run without its process is stopped; the same run goes on, with fewer epochs after a resume', async () => {
    await writeRunFolder(base, { completed: 8 });
    const reader = readerOf(base);
    const before = await reader.read();
    expect(before.state).toBe('stopped');
    expect(factsOf(before).values).toContainEqual(['time left', '–']);
    expect(await reader.read()).toBe(before);
    await goTo(base, 5);
    using lock = await lockFolder(base);
    const resumed = await reader.read();
    expect(resumed).toMatchObject({ state: 'training', folder: lock.folder });
    expect(resumed.input.runs[0]!.metrics).toHaveLength(5);
    expect(resumed.input.matrices[0]!.epochs).toEqual(range(6));
  });

  test('the stages of train are one run; its ticket is a second curve', async () => {
    await writeRunFolder(base);
    await rm(join(base, 'metrics.jsonl'));
    await writeFile(join(base, 'params.json'), JSON.stringify({ ...(await paramsOf(base)), command: 'train' }));
    await writeRunFolder(join(base, 'search'), { completed: 8 });
    await writeRunFolder(join(base, 'retrain_3008_0.3'), { completed: 3, recipe: { ratios: undefined } });
    const view = await readerOf(base).read();
    expect(view.input.runs.map(({ name, metrics }) => [name, metrics.length])).toEqual([
      ['search (dense)', 8],
      ['ticket 3008_0.3', 3],
    ]);
    expect(factsOf(view).detections[0]).toMatchObject({ state: 'ticket after 7 epochs', emerged: true });
    // An earlier ticket's retraining stays in the folder; the result says which one is the run's.
    await writeRunFolder(join(base, 'retrain_3006_0.3'), { completed: 2, recipe: { ratios: undefined } });
    await writeFile(join(base, 'result.json'), JSON.stringify({ retrain: { directory: '/moved/retrain_3008_0.3' } }));
    expect(await stagesIn(base)).toEqual(['search', 'retrain_3008_0.3']);
  });

  test.each([
    ['metrics.jsonl', 'root:x:0:0:secret\n'],
    ['metrics.jsonl', '{"train": 1}\n{'],
    ['metrics.jsonl', `${JSON.stringify({ ...epochMetrics(0), distances: { '30': 5 } })}\n`],
    ['params.json', '{"command": "search", "recipe": 3}'],
    ['params.json', 'secret'],
    ['masks/index.json', '{"channels": 0, "first": 0}'],
    ['masks/index.json', '{"channels": 1e300, "first": -5}'],
    ['energy.json', '[]'],
  ])('a damaged %s (%j) is said, and nothing of it is shown', async (name, text) => {
    await writeRunFolder(base);
    await writeFile(join(base, name), text);
    const view = await readerOf(base).read();
    const shown = JSON.stringify([view.problem, factsOf(view)]);
    expect(['unreadable', 'stopped']).toContain(view.state);
    expect(shown).not.toContain('secret');
  });

  test('links and files that are too large are not read', async () => {
    await writeRunFolder(base);
    const reader = readerOf(base);
    await rm(join(base, 'metrics.jsonl'));
    await symlink('/etc/passwd', join(base, 'metrics.jsonl'));
    expect(await reader.read()).toMatchObject({ state: 'unreadable', problem: expect.stringContaining('is a link') });
    await rm(join(base, 'metrics.jsonl'));
    await goTo(base, 2);
    expect(await reader.read()).toMatchObject({ state: 'stopped' });
  });
});

async function paramsOf(folder: string): Promise<object> {
  const { readFile } = await import('node:fs/promises');
  return JSON.parse(await readFile(join(folder, 'params.json'), 'utf8'));
}

test('runs are found below a folder, links are not followed, and a folder without one waits', async () => {
  await writeRunFolder(join(base, 'runs/b'));
  await writeRunFolder(join(base, 'runs/study/seed-10'));
  await writeRunFolder(join(base, 'runs/study/seed-2'));
  await writeRunFolder(join(base, 'elsewhere'));
  await symlink(join(base, 'elsewhere'), join(base, 'runs/link'));
  await mkdir(join(base, 'empty'));
  const found = await findRuns([join(base, 'runs'), join(base, 'empty'), join(base, 'runs/b')]);
  expect(found.map(({ name }) => name)).toEqual(['runs/b', 'runs/study/seed-2', 'runs/study/seed-10', 'empty']);
});

test('all runs of a study far below a folder are found; packages and hidden folders are passed over', async () => {
  const study = join(base, 'clone/runs/study');
  const entry = { seed: 1, ratio: 0.3, epoch: 8 };
  const runs = [
    join(study, keyOf({ ...entry, control: 'random' }), 'retrain'),
    join(study, keyOf({ ...entry, control: null }), 'retrain'),
    searchFolder(study, 1),
  ];
  for (const run of [...runs, join(base, 'clone/node_modules/other'), join(base, 'clone/runs/.kept')]) {
    await writeRunFolder(run);
  }
  const found = await findRuns([join(base, 'clone')]);
  expect(found.map(({ name }) => name)).toEqual(runs.map((run) => relative(base, run)));
});

test('all of 70 runs are found; the page shows 64 of them, and says how many it does not show', async () => {
  for (const i of range(70)) {
    await mkdir(join(base, `run-${i}`));
    await writeFile(join(base, `run-${i}/params.json`), '{"command": "search"}');
  }
  expect(await findRuns([base])).toHaveLength(70);
  const board = new Board([base], new Pace(1));
  expect(await board.find()).toBe(true);
  expect(await board.find()).toBe(false);
  const page = renderPage(board.sections, board);
  expect(page.match(/<section class="run" id="run-\d+"/g)).toHaveLength(64);
  expect(page).toContain('64 runs are shown, 6 more are not');
  await rm(join(base, 'run-69'), { recursive: true });
  expect(await board.find()).toBe(true);
  expect(renderPage(board.sections, board)).toContain('64 runs are shown, 5 more are not');
});

describe('files that a browser may have', () => {
  test.each([
    ['report/index.html', true],
    ['report/learning-curves.csv', true],
    ['search/EB-30-8.pth.tar', true],
    ['retrain_3008_0.3/metrics.jsonl', true],
    ['result.json', true],
    ['../secret.json', false],
    ['report/../../secret.json', false],
    ['report/%2e%2e/secret.json', false],
    ['report/.hidden.svg', false],
    ['/etc/passwd', false],
    ['search/../params.json', false],
    ['.earlybird.lock', false],
    ['report', false],
    ['', false],
    ['notes.md', false],
    ['search\\..\\params.json', false],
  ])('%s: %s', (path, served) => {
    expect(isServed(path)).toBe(served);
  });

  test('a link out of the folder, or a folder that is one, is not opened', async () => {
    await mkdir(join(base, 'run/report'), { recursive: true });
    await mkdir(join(base, 'other'));
    await writeFile(join(base, 'other/index.html'), 'secret');
    await writeFile(join(base, 'other/params.json'), '{}');
    await symlink(join(base, 'other/index.html'), join(base, 'run/report/index.html'));
    await symlink(join(base, 'other'), join(base, 'run/search'));
    const run = join(base, 'run');
    expect(await openServed(run, 'report/index.html')).toBeNull();
    expect(await openServed(run, 'search/params.json')).toBeNull();
    await writeFile(join(run, 'result.json'), '{}');
    const opened = await openServed(run, 'result.json');
    expect(opened).toMatchObject({ size: 2, type: 'application/json' });
    await opened!.handle.close();
  });
});
