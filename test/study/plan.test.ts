/** The runs of a study, and how shards share them. */
import { parseRecipe, type StudyRecipe } from '../../src/recipe/recipe';
import { askedDraws, drawsOf, keptEpochs } from '../../src/study/draws';
import { type Entry, entriesOf, keyOf, shardOf } from '../../src/study/plan';

const settings = { epochs: 20, schedule: [10, 15] };
const recipe = (more: Record<string, unknown> = {}): StudyRecipe =>
  parseRecipe('study', { ...settings, dataset: 'synthetic', seeds: [1, 2, 3], ratios: [0.3, 0.5], save: 's', ...more });

describe('draws', () => {
  const asked = [0, 8, 'emergence', '2x-emergence', 'lr-drops', 'best', 'last'];

  test('depend on the search', () => {
    const draws = drawsOf(asked, settings, { followed: true, emergence: 6, best: 17 });
    expect(draws.map(({ name, epoch }) => [name, epoch])).toEqual([
      ['0', 0],
      ['8', 8],
      ['emergence', 6],
      ['2x-emergence', 12],
      ['lr-drop-10', 10],
      ['lr-drop-15', 15],
      ['best', 17],
      ['last', 20],
    ]);
  });

  test('that are not there say why', () => {
    const none = drawsOf(['emergence', '2x-emergence', 21], settings, { followed: true, emergence: null, best: 3 });
    expect(none.every(({ epoch }) => epoch === null)).toBe(true);
    expect(none.map(({ reason }) => reason)).toEqual([
      'no ticket emerged within 20 epochs',
      'no ticket emerged within 20 epochs',
      '21 epochs are beyond --epochs 20',
    ]);
    const [late] = drawsOf(['2x-emergence'], settings, { followed: true, emergence: 11, best: 3 });
    expect(late).toMatchObject({ epoch: null, reason: '22 epochs are beyond --epochs 20' });
    const [added] = drawsOf(['emergence'], settings, { followed: false, emergence: null, best: 3 });
    expect(added!.reason).toBe('the search was run without this ratio: --force searches again');
  });

  test('name the checkpoints that a search keeps: not those that have files of their own', () => {
    expect(keptEpochs(asked, settings)).toBe('at:8,10,15,2x');
    expect(keptEpochs(['emergence', 'best', 'last', 0], settings)).toBe('none');
  });

  test('of controls are drawn in any case', () => {
    const draws = { draws: [0], controlDraws: ['last'] };
    expect(askedDraws({ ...draws, controls: ['random'] })).toEqual([0, 'last']);
    expect(askedDraws({ ...draws, controls: ['none'] })).toEqual([0]);
  });
});

const facts = () => ({ followed: true, emergence: 8, best: 20 });

describe('entries', () => {
  test('draws that fall on one epoch are one run', () => {
    const { entries } = entriesOf(recipe({ draws: [8, 'emergence', 'best', 'last'], controls: ['random'] }), facts);
    const own = entries.filter(({ seed, ratio }) => seed === 1 && ratio === 0.3);
    expect(own.map(({ epoch, control, draws }) => [epoch, control, draws])).toEqual([
      [8, null, ['8', 'emergence']],
      [20, null, ['best', 'last']],
      [8, 'random', ['emergence']],
      [20, 'random', ['last']],
    ]);
  });

  test('controls that would be the ticket itself are left out', () => {
    const { entries } = entriesOf(
      recipe({ draws: [0, 'last'], controlDraws: [0, 'last'], seeds: [1], ratios: [0.5] }),
      facts,
    );
    const controls = (epoch: number) =>
      entries.flatMap((entry) => (entry.epoch === epoch ? (entry.control ?? []) : []));
    expect(controls(0).sort()).toEqual(['late', 'random', 'reinit', 'shuffled', 'uniform']);
    expect(controls(20)).not.toContain('late');
    expect(controls(20)).toContain('rewind');
  });

  test('a seed without a ticket misses its draws, and says so', () => {
    const { entries, missing } = entriesOf(recipe({ ratios: [0.5], controls: ['random'] }), (seed) => ({
      followed: true,
      emergence: seed === 2 ? null : 8,
      best: 20,
    }));
    expect(missing.map(({ seed, draw }) => [seed, draw])).toEqual([
      [2, 'emergence'],
      [2, '2x-emergence'],
    ]);
    const controls = entries.filter(({ control }) => control !== null);
    expect(controls.map(({ seed, draws }) => [seed, draws])).toEqual([
      [1, ['emergence']],
      [3, ['emergence']],
      [1, ['last']],
      [2, ['last']],
      [3, ['last']],
    ]);
  });

  test('a row is done over all seeds before the next, those of the verdicts first', () => {
    const { entries } = entriesOf(recipe(), facts);
    expect(entries.slice(0, 6).map(({ draws, seed }) => [draws.at(-1), seed])).toEqual([
      ...[1, 2, 3].map((seed) => ['emergence', seed]),
      ...[1, 2, 3].map((seed) => ['last', seed]),
    ]);
    expect(new Set(entries.map(({ folder }) => folder)).size).toBe(entries.length);
  });
});

describe('shards', () => {
  const { entries } = entriesOf(recipe(), facts);
  const shards = (of: number): Entry[][] =>
    Array.from({ length: of }, (_, i) => shardOf(`${i + 1}/${of}`, [1, 2, 3], entries));

  test.each([1, 2, 3, 4, 7])('%i of them do every run once', (of) => {
    const all = shards(of).flat().map(keyOf);
    expect(all.sort()).toEqual(entries.map(keyOf).sort());
  });

  test('seeds stay together where there are enough', () => {
    for (const shard of shards(3)) expect(new Set(shard.map(({ seed }) => seed)).size).toBe(1);
    // The fourth shard shares the first seed.
    const seeds = shards(4).map((shard) => [...new Set(shard.map(({ seed }) => seed))]);
    expect(seeds).toEqual([[1], [2], [3], [1]]);
  });
});
