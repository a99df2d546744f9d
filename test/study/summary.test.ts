/** The results of a study: groups, budgets, verdicts. */
import { top1Within } from '../../src/study/groups';
import { isCollapsed } from '../../src/study/record';
import { plateauOf } from '../../src/study/verdict';
import { EPOCHS, over, recipeOf, runOf, searchOf, studyOf } from './sample';

const TICKETS = [90, 90.2, 90.4];
const find = (study: ReturnType<typeof studyOf>, draw: string, control: string | null = null) =>
  study.groups.find((group) => group.draw === draw && group.control === control)!;

describe('groups', () => {
  const study = studyOf([
    ...over(TICKETS),
    ...over([88, 88.2, 88.3], { draws: ['0'] }),
    ...over([90.1, 90.1, 90.5], { draws: ['last'] }),
    ...over([87, 89, 91], { control: 'random' }),
  ]);

  test('differences are paired by seed', () => {
    expect(find(study, 'emergence').overEmergence).toBeNull();
    const early = find(study, '0').overEmergence!;
    expect(early.mean).toBeCloseTo(-2.0333, 4);
    // The deviation is that of the pairs' differences, which is smaller than that of the values.
    expect(early.sd).toBeCloseTo(0.0577, 4);
    const random = find(study, 'emergence', 'random');
    expect(random.overTicket).toEqual(random.overEmergence);
    expect(find(study, '0').overTicket).toBeNull();
  });

  test('counts runs, channels and FLOPs', () => {
    const group = find(study, 'emergence');
    expect(group).toMatchObject({ n: 3, of: 3, failed: 0, collapsed: 0, kept: { mean: 0.5 }, forward: { mean: 0.5 } });
    // 8 dense epochs and 20 of half the FLOPs, over 20 dense ones.
    expect(group.cost!.mean).toBeCloseTo((8 + 10) / 20, 12);
  });

  test('equal FLOPs: the ticket at emergence and earlier ones reach their end, later ones an earlier epoch', () => {
    expect(find(study, 'emergence').atBudget!.mean).toBe(find(study, 'emergence').top1!.mean);
    expect(find(study, '0').atBudget!.mean).toBe(find(study, '0').top1!.mean);
    // The search to the end takes 20 dense epochs, the budget is 18.
    expect(find(study, 'last').atBudget).toBeNull();
    const cheap = studyOf([...over(TICKETS), ...over(TICKETS, { draws: ['last'], share: 0.1 }).slice(0, 2)]);
    expect(find(cheap, 'last').atBudget).toBeNull();
  });

  test('the last whole epoch within a budget', () => {
    const run = { curve: [1, 2, 3, 4], flops: { search: 100, retrain: 40 } };
    expect([140, 139, 120, 110, 109, 1000].map((budget) => top1Within(run, budget))).toEqual([4, 3, 2, 1, null, 4]);
  });

  test('without a ticket at emergence the cheapest run is the budget', () => {
    const none = studyOf([...over(TICKETS, { draws: ['0'] }), ...over([91, 91, 91], { draws: ['last'] })]);
    expect(find(none, '0').atBudget!.mean).toBeCloseTo(90.2, 12);
    expect(find(none, 'last')).toMatchObject({ atBudget: null, overEmergence: null });
  });
});

describe('verdicts', () => {
  const verdictOf = (values: number[], pattern: RegExp) => {
    const { verdicts } = studyOf([...over(TICKETS), ...over(values, { control: 'random' })]);
    return verdicts.find((line) => pattern.test(line));
  };

  test.each([
    ['equivalent', [90.05, 90.2, 90.4], 'is equivalent to the ticket at emergence within 0.5 points (95 % interval'],
    ['below', [88, 88.1, 88.4], 'is 2.03 points below the ticket at emergence (95 % interval −2.18 to −1.89, n = 3)'],
    ['above', [93, 93.2, 93.5], 'points above the ticket at emergence'],
    [
      'unknown',
      [88, 91, 91],
      'Cannot tell with 3 seeds whether the control random differs from the ticket at emergence',
    ],
    ['too few', [89], 'Cannot tell with one seed whether the control random differs from the ticket at emergence'],
    [
      'equivalent, and apart',
      [89.8, 90.0, 90.21],
      'is equivalent to the ticket at emergence within 0.5 points, though 0.20 points below',
    ],
  ])('%s', (_name, values, text) => {
    expect(verdictOf(values, /he control random/)).toContain(text);
  });

  test('a line says which draws are as good as that at emergence, another which controls are as good as the ticket', () => {
    const { verdicts } = studyOf([
      ...over(TICKETS),
      ...over([88, 88.2, 88.3], { draws: ['0'] }),
      ...over([90.1, 90.2, 90.4], { draws: ['last'] }),
      ...over([87, 90, 91], { control: 'random' }),
      ...over([90, 90.2, 90.4], { control: 'uniform' }),
    ]);
    expect(verdicts).toContain('p = 0.5: Draws over that at emergence: equivalent: last; below: 0.');
    expect(verdicts).toContain(
      'p = 0.5: Controls over the ticket at emergence: equivalent: uniform; not to be told: random.',
    );
  });

  test('no ticket, no comparison', () => {
    const searches = [1, 2, 3].map((seed) => searchOf(seed, { emergence: null, plateau: 0.13 }));
    const missing = searches.map(({ seed }) => ({ seed, ratio: 0.5, draw: 'emergence', reason: 'none' }));
    const { verdicts, notes } = studyOf(over(TICKETS, { draws: ['last'] }), { searches, missing });
    expect(verdicts).toEqual([
      'p = 0.5: No ticket emerged within 20 epochs with any of 3 seeds.',
      'p = 0.5: The largest distance of the window settles at 0.130 (0.130 to 0.130), 0.030 above the threshold of 0.1.',
      'p = 0.5: The ticket drawn at the end is not compared: no seed has it and a ticket at emergence.',
    ]);
    expect(notes).toContain('No ticket at emergence, p = 0.5: none (seeds 1, 2, 3).');
  });

  test('how far seeds and plateau lie apart', () => {
    const searches = [
      searchOf(1, { emergence: 12, plateau: 0.09 }),
      searchOf(2, { emergence: null, plateau: 0.12 }),
      searchOf(3, { emergence: 14, plateau: 0.1 }),
    ];
    expect(studyOf(over(TICKETS), { searches }).verdicts.slice(0, 2)).toEqual([
      'p = 0.5: The ticket emerged after 12, 14 epochs (2 of 3 seeds, 2 epochs apart); 1 seed found none.',
      'p = 0.5: The largest distance of the window settles at 0.103 (0.090 to 0.120), 0.003 above the threshold of 0.1: chance decides whether and when a ticket emerges.',
    ]);
  });

  test('the plateau is the median of the last quarter', () => {
    expect(plateauOf([null, null, 0.9, 0.8, 0.7, 0.3, 0.1, 0.2])).toBeCloseTo(0.15, 12);
    expect(plateauOf([null, null])).toBeNull();
  });
});

describe('failed and collapsed runs', () => {
  const failed = [runOf(1, { control: 'random', top1: 89 }), runOf(2, { control: 'random', state: 'failed' })];
  const study = studyOf([
    ...over(TICKETS),
    ...failed,
    runOf(3, { control: 'random', top1: 11, collapsed: true }),
    runOf(1, { draws: ['last'], state: 'left' }),
  ]);

  test('are reported, and collapsed ones count in the means', () => {
    expect(find(study, 'emergence', 'random')).toMatchObject({
      n: 2,
      of: 3,
      failed: 1,
      collapsed: 1,
      top1: { mean: 50 },
    });
    expect(study.notes).toContain('Failed: p = 0.5, random at emergence, seed 2: it diverged.');
    expect(study.notes.join()).toContain('1 of 5 finished runs are no better than chance');
    expect(study.notes.join()).toContain('Not complete: 1 of 7 runs are left');
  });

  test('that only guess are called so, and not equivalent', () => {
    const guess = over([10, 10, 10], { control: 'random', collapsed: true });
    const { verdicts } = studyOf([...over([10, 10, 10], { collapsed: true }), ...guess]);
    expect(verdicts.at(-1)).toBe('p = 0.5: The control random at emergence is no better than chance with any seed.');
  });

  test('no better than chance: 10 classes on 1000 images', () => {
    expect([10, 12.9, 13, 90].map((top1) => isCollapsed(top1, 10, 1000))).toEqual([true, true, false, false]);
  });
});

test('one comparison needs no warning of many', () => {
  const { notes } = studyOf(over(TICKETS), {}, recipeOf({ draws: ['emergence'], controls: ['none'] }));
  expect(notes.join()).not.toContain('not corrected');
  expect(notes.join()).toContain(`trained for ${EPOCHS} epochs`);
});

test('comparisons are counted one by one: a control has two, which are one at emergence', () => {
  const { notes } = studyOf([
    ...over(TICKETS),
    ...over([88, 88.2, 88.3], { draws: ['0'] }),
    ...over([87, 89, 91], { control: 'random' }),
    ...over([87, 89, 91], { draws: ['0'], control: 'random' }),
  ]);
  // The draw 0, the control at emergence, and both of the control at 0.
  expect(notes.join()).toContain('4 comparisons, not corrected for their number');
});

test('another machine or LibTorch of a retraining is a note, and runs of versions that did not record one are read', () => {
  const { machine } = searchOf(1);
  const on = (libtorch: string) => {
    const [first, ...rest] = over(TICKETS);
    return studyOf([{ ...first!, result: { ...first!.result!, machine: { ...machine, libtorch } } }, ...rest]);
  };
  expect(on(machine.libtorch).notes.join()).not.toContain('machines');
  expect(on('3').notes).toContain(
    'Searches and runs of 2 machines: cpu (x, 1 thread), LibTorch 2, earlybird 0; cpu (x, 1 thread), LibTorch 3, earlybird 0.',
  );
});
