import { join } from 'node:path';
import { planText } from '../../src/cli/print/cost';
import { planEnergy } from '../../src/cost/plan';
import { earlyBirdRecipe, folderOf, identityOfRow, rowsOf, ticketRecipe } from '../../src/cost/rows';
import type { EnergyMethod } from '../../src/recipe/cost';
import { type BenchEnergyRecipe, parseRecipe } from '../../src/recipe/recipe';
import { temporaryFolder } from '../cli/tiny';
import { type FakeRun, fakeEarlyBird, fakeRun, fakeTicket, IMAGES, json } from '../support/energy-folders';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

const EPOCHS = 10;
let count = 0;

/**
 * With `seen`, a finished dense training of seed 1 is on disk. With it and the share of FLOPs that tickets are assumed
 * to have, no plan needs LibTorch.
 */
function recipeFor(more: object = {}, seen: Partial<FakeRun> | null = {}): BenchEnergyRecipe {
  const save = join(temporary.path, String(count++));
  const recipe = parseRecipe('benchEnergy', {
    save,
    epochs: EPOCHS,
    ratios: [0.3],
    seeds: [1, 2],
    assumeFlops: [0.5],
    ...more,
  });
  if (seen) finish(recipe, 'dense', 1, { epochs: EPOCHS, forward: 2e9, ...seen });
  return recipe;
}

function finish(recipe: BenchEnergyRecipe, method: EnergyMethod, seed: number, run: FakeRun, search?: FakeRun) {
  const ratio = method === 'dense' ? null : 0.3;
  const folder = folderOf(recipe.save, method, ratio, seed);
  const identity = identityOfRow(recipe, { method, ratio, seed, folder });
  if (method === 'dense') return fakeRun(folder, 'retrain', { ...run, identity });
  if (search) fakeEarlyBird(folder, search, run);
  else fakeTicket(folder, run);
  json(folder, 'params.json', { identity });
}

async function planned(recipe: BenchEnergyRecipe, method: EnergyMethod, seed: number) {
  const plan = await planEnergy(recipe);
  return { plan, row: plan.rows.find((row) => row.method === method && row.seed === seed)! };
}

test('rows: seed after seed, dense training once', () => {
  const recipe = recipeFor({ methods: ['dense', 'eb-ff'], ratios: [0.3, 0.5] }, null);
  const names = rowsOf(recipe).map(({ folder }) => folder.slice(recipe.save.length + 1));
  const of = (seed: number) => [`dense/seed-${seed}`, `eb-ff/p30-seed-${seed}`, `eb-ff/p50-seed-${seed}`];
  expect(names).toEqual([...of(1), ...of(2)]);
});

test('each method gets its own recipe out of the common one', () => {
  const recipe = recipeFor({ lr: 0.05, wlWeight: 6, surgery: 'exact', detectorThreshold: 0.2 }, null);
  const train = (method: EnergyMethod) =>
    earlyBirdRecipe(recipe, { method, ratio: 0.3, seed: 7, folder: join(recipe.save, 'x') });
  const common = { lr: 0.05, seed: 7, percent: 0.3, surgery: 'exact', detectorThreshold: 0.2, report: false };
  expect(train('eb-ff')).toMatchObject({ ...common, variant: 'ff', fromScratch: false, wlWeight: -1 });
  expect(train('eb-reinit')).toMatchObject({ ...common, variant: 'ff', fromScratch: true });
  expect(train('eb-lf')).toMatchObject({ ...common, variant: 'lf', wlWeight: 6, wlGrad: -1 });
  expect(train('eb-ll')).toMatchObject({ ...common, variant: 'll', wlWeight: 6 });
  expect(train('eb-ff').ratios).toBeUndefined();
  const plain = recipeFor({}, null);
  const low = earlyBirdRecipe(plain, { method: 'eb-lf', ratio: 0.3, seed: 1, folder: plain.save });
  expect(low).toMatchObject({ wlWeight: 8, wlMomentum: 8 });
  const row = { method: 'ns', ratio: 0.3, seed: 1, folder: 'f' } as const;
  expect(ticketRecipe(recipe, row, 'pruned')).toMatchObject({ startEpoch: 0, scratch: 'pruned', wlWeight: -1 });
});

test('the recipe refuses what makes no sense', () => {
  const refuse = (more: Record<string, unknown>) => () => parseRecipe('benchEnergy', more);
  expect(refuse({ methods: ['eb-ff'] })).toThrow('--baseline dense is not among --methods eb-ff');
  expect(refuse({ seeds: [1, 1] })).toThrow('--seeds 1 1 is not possible');
  expect(refuse({ methods: ['magic'] })).toThrow(/--methods magic is not possible: give different ones of dense, lt/);
  expect(refuse({ ratios: [1] })).toThrow('--ratios 1 is not possible');
});

test('a finished row shows what it took', async () => {
  const { row } = await planned(recipeFor({}, { joules: 90 }), 'dense', 1);
  expect(row).toMatchObject({
    state: 'finished',
    epochs: { dense: EPOCHS, ticket: 0 },
    seconds: { value: 20, estimated: false },
    joules: { value: 90, estimated: false },
    assumptions: [],
  });
});

test('a row like a finished one takes what that took, flagged as estimated', async () => {
  const recipe = recipeFor({}, { joules: 90 });
  const { row } = await planned(recipe, 'dense', 2);
  expect(row).toMatchObject({
    state: 'new',
    flops: { exact: 3 * 2e9 * EPOCHS * IMAGES },
    seconds: { value: 20, estimated: true },
    joules: { value: 90, estimated: true },
    assumptions: [],
  });
});

test('what an unknown ticket is taken for can be chosen, and is said', async () => {
  const recipe = recipeFor({ epochs: EPOCHS, assumeEpoch: [2] }, { joules: 90 });
  const { row } = await planned(recipe, 'eb-ff', 1);
  expect(row.epochs).toEqual({ dense: 2, ticket: 8 });
  expect(row.ticketForward).toBe(1e9);
  expect(row.flops!.exact).toBe(3 * (2 * 2e9 + 8 * 1e9) * IMAGES);
  expect(row.overBaseline).toBe(0.6);
  expect(row.assumptions).toEqual([
    'the ticket is drawn after epoch 2, as --assume-epoch says',
    "the ticket's share of FLOPs is that of --assume-flops",
    'an epoch of the ticket takes what a dense one does times its share of FLOPs: small layers take more',
  ]);
  const reinit = (await planned(recipe, 'eb-reinit', 1)).row;
  expect(reinit.epochs).toEqual({ dense: 2, ticket: 10 });
  expect(reinit.seconds.value).toBe(14);
});

test('a ticket is drawn after an eighth of the epochs, not before the detector has its masks', async () => {
  const drawn = async (epochs: number, detectorWindow: number) => {
    const recipe = recipeFor({ epochs, detectorWindow, methods: ['dense', 'eb-ff'] }, null);
    return (await planned({ ...recipe, dataset: 'folder' }, 'eb-ff', 1)).row.epochs.dense;
  };
  expect(await drawn(160, 5)).toBe(20);
  expect(await drawn(90, 5)).toBe(11);
  expect(await drawn(10, 5)).toBe(4);
  expect(await drawn(5, 5)).toBe(4);
});

test('one number for all ratios, or one for each', async () => {
  const recipe = recipeFor({ ratios: [0.3, 0.5], assumeEpoch: [4, 2], assumeFlops: [0.8, 0.5], seeds: [1] });
  const { rows } = await planEnergy(recipe);
  const early = rows.filter(({ method }) => method === 'eb-ff');
  expect(early.map(({ epochs, ticketForward }) => [epochs.dense, ticketForward])).toEqual([
    [4, 1.6e9],
    [2, 1e9],
  ]);
  const refuse = (more: Record<string, unknown>) => () => parseRecipe('benchEnergy', more);
  expect(refuse({ assumeEpoch: [1, 2] })).toThrow('take one number, or one for each of --ratios 0.3 0.5 0.7');
  expect(refuse({ assumeEpoch: [160] })).toThrow('--assume-epoch 160 leaves a ticket nothing of --epochs 160');
  expect(refuse({ assumeFlops: [1.5] })).toThrow('--assume-flops 1.5 is not possible: give numbers above 0');
});

test('finished rows tell when tickets are drawn and how small they are', async () => {
  const recipe = recipeFor({}, { joules: 100 });
  finish(recipe, 'eb-ff', 1, { epochs: 7, forward: 1e9, joules: 35 }, { epochs: 3, forward: 2e9, joules: 30 });
  const { row } = await planned(recipe, 'eb-ff', 2);
  expect(row.epochs).toEqual({ dense: 3, ticket: 7 });
  expect(row.flops!.exact).toBe(3 * (3 * 2e9 + 7 * 1e9) * IMAGES);
  expect(row.joules).toEqual({ value: 65, estimated: true });
  // The ticket of network slimming has the same ratio; nothing is known yet of a low-precision search.
  expect((await planned(recipe, 'ns', 2)).row.flops!.exact).toBe(3 * (2e9 + 1e9) * EPOCHS * IMAGES);
  const low = (await planned(recipe, 'eb-ll', 2)).row;
  expect(low.epochs.dense).toBe(4);
  expect(low.seconds).toEqual({
    value: null,
    estimated: true,
    reason: 'no epoch of the dense network in low precision was run here, and --images-per-second is not given',
  });
});

test('without finished rows: what the user says, else null with the reason', async () => {
  const nothing = recipeFor({ seeds: [3], methods: ['dense'] }, { epochs: 0 });
  const unknown = (await planned(nothing, 'dense', 3)).row;
  expect(unknown.seconds).toMatchObject({ value: null, reason: expect.stringContaining('--images-per-second') });
  expect(unknown.joules).toMatchObject({ value: null, reason: expect.stringContaining('--watts') });

  const said = { ...nothing, imagesPerSecond: 100, watts: 50 };
  const { row, plan } = await planned(said, 'dense', 3);
  expect(plan.images).toBe(50_000);
  expect(row.seconds).toEqual({ value: (50_000 / 100) * EPOCHS, estimated: true });
  expect(row.joules).toEqual({ value: (50_000 / 100) * EPOCHS * 50, estimated: true });
  expect(row.assumptions).toContain('50 W throughout, as given');
});

test('what is left counts the dense training of a seed once, and less where it was interrupted', async () => {
  const recipe = recipeFor({ methods: ['dense', 'lt', 'ns'], seeds: [1, 2] });
  finish(recipe, 'dense', 2, { epochs: 4 });
  const { plan } = await planned(recipe, 'dense', 2);
  expect(plan.rows.map(({ state }) => state)).toEqual(['finished', 'new', 'new', 'interrupted', 'new', 'new']);
  // Seed 1: two tickets; seed 2: six epochs of the dense network and two tickets. An epoch takes 2 s, and half of it in a ticket.
  expect(plan.left).toMatchObject({ rows: 5, seconds: { value: 4 * EPOCHS + 2 * 6, estimated: true } });
});

describe('bit operations', () => {
  const adds = { first: 1e6, inner: 8e6, linear: 1e6 };
  /** 1e9 bit operations of an epoch of the dense network: in full precision, and with convolutions of 8 bits. */
  const full = (3 * 10e6 * 32 * 32 * IMAGES) / 1e9;
  const low = (3 * (9e6 * 8 * 8 + 1e6 * 32 * 32) * IMAGES) / 1e9;
  const recipeWith = (more: object = {}) =>
    recipeFor({ format: 'mxint8', assumeEpoch: [2], ...more }, { adds, gbitops: full });
  const gbitopsOf = async (recipe: BenchEnergyRecipe, method: EnergyMethod, seed = 1) =>
    (await planned(recipe, method, seed)).row.gbitops;

  test('by the formats of each stage, and the share of FLOPs of a ticket', async () => {
    const recipe = recipeWith();
    expect(await gbitopsOf(recipe, 'dense')).toBeCloseTo(EPOCHS * full, 3);
    expect(await gbitopsOf(recipe, 'dense', 2)).toBeCloseTo(EPOCHS * full, 3);
    expect(await gbitopsOf(recipe, 'eb-ff')).toBeCloseTo(2 * full + 4 * full, 3);
    expect(await gbitopsOf(recipe, 'eb-lf')).toBeCloseTo(2 * low + 4 * full, 3);
    expect(await gbitopsOf(recipe, 'eb-ll')).toBeCloseTo(2 * low + 4 * low, 3);
    const eight = recipeWith({ format: undefined });
    expect(await gbitopsOf(eight, 'eb-ll')).toBeLessThan(0.3 * (await gbitopsOf(eight, 'eb-ff'))!);
    const { plan } = await planned(recipeWith({ methods: ['dense', 'eb-ll'], seeds: [1] }), 'dense', 1);
    expect(plan.left.gbitops).toBeCloseTo(6 * low, 3);
    expect(planText(plan)).toMatch(/^left: 1 of 2 rows, 10 epochs, .* FLOPs, 28\.80 T bit operations;/m);
  });

  test('those of rows on disk, where formats follow a schedule', async () => {
    const recipe = recipeWith({ precisionSchedule: 'cpt' });
    const { plan, row } = await planned(recipe, 'eb-ll', 2);
    expect(row.gbitops).toBeNull();
    expect(plan.left.gbitops).toBeNull();
    expect(plan.notes.join()).toContain('Bit operations unknown: a --precision-schedule chooses');
    const run = { epochs: 8, forward: 1e9, gbitops: 5 };
    finish(recipe, 'eb-ll', 1, run, { epochs: 2, forward: 2e9, gbitops: 7 });
    expect(await gbitopsOf(recipe, 'eb-ll', 1)).toBe(2 * 7 + 8 * 5);
    expect(await gbitopsOf(recipe, 'eb-ll', 2)).toBe(2 * 7 + 8 * 5);
  });

  test('unknown where a version did not count', async () => {
    const recipe = recipeFor({ format: 'mxint8' });
    expect(await gbitopsOf(recipe, 'dense')).toBeNull();
    expect(await gbitopsOf(recipe, 'eb-ll')).toBeNull();
  });
});

test('rows of another recipe are refused', async () => {
  const recipe = recipeFor();
  await expect(planEnergy({ ...recipe, lr: 0.5 })).rejects.toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringContaining('lr: 0.1 there, 0.5 now'),
  });
});

test('as text: a line a row, its assumptions by letter', async () => {
  const recipe = recipeFor({ methods: ['dense', 'eb-ff'], seeds: [1] });
  const text = planText(await planEnergy(recipe));
  expect(text).toMatch(/^VGG-19 on cifar10, 10 epochs of 1000 images: nothing was run$/m);
  expect(text).toMatch(/^Dense +– +1 +finished +10 +0 +– +60\.00 T +60\.00 T +– +– +20\.0 s +–$/m);
  expect(text).toMatch(
    /^EB Train FF +0\.3 +1 +new +4 +6 +1\.00 G +42\.00 T +42\.00 T +0\.70x +– +~14\.0 s +– +a b c$/m,
  );
  expect(text).toMatch(/^a: the ticket is drawn after epoch 4/m);
  expect(text).toMatch(/^left: 1 of 2 rows, 10 epochs, 42\.00 T FLOPs, ~14\.0 s; .* \(~: estimated\)$/m);
});

test('rows that differ in their seed alone are one line', async () => {
  const text = planText(await planEnergy(recipeFor({ methods: ['dense', 'eb-ff'], seeds: [2, 3, 4] })));
  expect(text.match(/^(Dense|EB Train FF) .*$/gm)).toEqual([
    expect.stringMatching(/^Dense +– +2 3 4 +new/),
    expect.stringMatching(/^EB Train FF +0\.3 +2 3 4 +new/),
  ]);
});
