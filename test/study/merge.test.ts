/** Studies of several machines as one. */
import { joinStudies } from '../../src/study/merge';
import type { Study } from '../../src/study/summary';
import { over, recipeOf, runOf, searchOf, studyOf } from './sample';

const join = (...studies: Study[]) => joinStudies(studies.map((study, i) => ({ folder: `folder-${i + 1}`, study })));
const whole = studyOf([...over([90, 91, 92]), ...over([88, 88, 89], { control: 'random' })]);
/** The part of one seed. */
const partOf = (seed: number): Study => {
  const runs = whole.runs.filter((run) => run.seed === seed);
  return studyOf(runs, { searches: [searchOf(seed)] }, recipeOf({ seeds: [seed] }));
};

test('parts by seed are the whole', () => {
  const { runs, ...joined } = join(partOf(2), partOf(1), partOf(3));
  expect(joined.groups.map(({ top1 }) => top1!.mean).sort()).toEqual(whole.groups.map(({ top1 }) => top1!.mean).sort());
  expect(joined.verdicts).toEqual(whole.verdicts);
  expect(joined.searches).toEqual(whole.searches);
  expect(new Set(runs)).toEqual(new Set(whole.runs));
});

test('a run that is finished anywhere is finished', () => {
  const left = studyOf([runOf(1, { state: 'left' }), runOf(2, { state: 'failed' }), runOf(3, { state: 'left' })]);
  const right = studyOf([runOf(1), runOf(2, { state: 'left' }), runOf(3, { state: 'left' })]);
  for (const studies of [
    [left, right],
    [right, left],
  ] as const)
    expect(join(...studies).runs.map(({ state }) => state)).toEqual(['finished', 'failed', 'left']);
});

test('a search that failed on one machine is forgotten where another finished it', () => {
  const failed = studyOf(over([90, 91]), {
    searches: [searchOf(1), searchOf(2)],
    failedSearches: [{ seed: 3, failure: 'it diverged.' }],
  });
  expect(join(failed, failed).notes).toContain('Failed: search, seed 3: it diverged.');
  expect(join(failed, partOf(3)).failedSearches).toEqual([]);
});

test('a draw that one folder lacks is there where another has its ticket', () => {
  const lacks = (draw: string) => [{ seed: 1, ratio: 0.5, draw, reason: 'its weights were not kept' }];
  const without = studyOf([runOf(1, { draws: ['last'] })], { missing: [...lacks('emergence'), ...lacks('4')] });
  for (const studies of [
    [without, studyOf([runOf(1)])],
    [studyOf([runOf(1)]), without],
  ] as const)
    expect(join(...studies).missing).toEqual(lacks('4'));
  // Another seed or ratio, or a control alone, is another draw.
  for (const run of [runOf(2), { ...runOf(1), ratio: 0.3 }, runOf(1, { control: 'random' })])
    expect(join(without, studyOf([run])).missing).toEqual([...lacks('emergence'), ...lacks('4')]);
});

test('ratios, draws and controls of all are kept', () => {
  const other = studyOf([runOf(1, { draws: ['last'] })], {}, recipeOf({ draws: ['last'], controls: ['none'] }));
  expect(join(other, partOf(1)).recipe).toMatchObject({
    draws: ['last', 0, 'emergence'],
    controls: ['random'],
    seeds: [1, 2, 3],
  });
});

test('one search that followed other ratios on another machine has those of both', () => {
  const other = searchOf(1, { ratios: { 30: { emergence: 5, distances: [0.3] } } });
  const left = studyOf([runOf(1)], { searches: [searchOf(1)] });
  const right = studyOf([], { searches: [other] }, recipeOf({ ratios: [0.3] }));
  for (const studies of [
    [left, right],
    [right, left],
  ] as const) {
    const [search] = join(...studies).searches;
    expect(search!.ratios).toEqual({ ...searchOf(1).ratios, ...other.ratios });
  }
  const changed = searchOf(1, { ratios: { ...other.ratios, 50: { emergence: 9, distances: [] } } });
  expect(() => join(left, studyOf([], { searches: [changed] }, recipeOf({ ratios: [0.3, 0.5] })))).toThrow(
    'came out differently',
  );
});

test('another recipe, other images and another search are refused', () => {
  expect(() => join(whole, studyOf([runOf(1)], {}, recipeOf({ lr: 0.2 })))).toThrow(
    'folder-2 is a study with another recipe than folder-1 (--lr: 0.1 there, 0.2 now)',
  );
  const images = { ...searchOf(1).dataset, fingerprint: 'g' };
  expect(() => join(whole, studyOf([], { searches: [searchOf(1, { dataset: images })] }))).toThrow('other images');
  expect(() => join(whole, studyOf([], { searches: [searchOf(1, { top1Last: 91 })] }))).toThrow(
    'The search of seed 1 came out differently in folder-1 and folder-2',
  );
});
