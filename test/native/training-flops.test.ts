/**
 * The FLOPs columns of the paper (docs/reference.md#11.1). The forward FLOPs of the dense networks come from their description; those
 * of the tickets, to 2 decimals of GFLOPs, and the drawing epochs are the paper's.
 */

import { planEnergy } from '../../src/cost/plan';
import { forwardFlops } from '../../src/network/flops';
import { type Training, trainingFlops } from '../../src/network/training-flops';
import { presetRecipe } from '../../src/recipe/presets';
import { parseRecipe } from '../../src/recipe/recipe';
import { addon } from '../support/small-handles';

async function forwardOf(arch: string, depth: number, classes: number): Promise<number> {
  const model = await addon.createModel({ arch, depth, classes, seed: 1, device: 'cpu' });
  const flops = forwardFlops(model.describe().layers);
  model.dispose();
  return flops;
}

/** Forward FLOPs of one image, and epochs. */
interface Comparison {
  dense: number;
  ticket: number;
  /** Epochs of a whole training. */
  epochs: number;
  /** Epochs after which an Early-Bird ticket was drawn. */
  drawn: number;
  /** Training images of an epoch. */
  images: number;
}
type Composition = (comparison: Comparison) => Training[];

const training = (forward: number, epochs: number, images: number): Training => ({ forward, images: epochs * images });
const dense: Composition = ({ dense, epochs, images }) => [training(dense, epochs, images)];
const pruneAndRetrain: Composition = (c) => [...dense(c), training(c.ticket, c.epochs, c.images)];
const searchThen =
  (epochsLeft: (c: Comparison) => number): Composition =>
  (c) => [training(c.dense, c.drawn, c.images), training(c.ticket, epochsLeft(c), c.images)];

/** The trainings of each method, as the paper's tables count them. */
const COMPOSITIONS = {
  dense,
  /** One-shot lottery ticket: masked weights save no FLOPs, so that the dense network is trained twice. */
  lotteryTicket: (c) => [...dense(c), ...dense(c)],
  /** The mask is drawn before training and saves none. */
  snip: dense,
  networkSlimming: pruneAndRetrain,
  softFilterPruning: pruneAndRetrain,
  earlyBirdReinit: searchThen(({ epochs }) => epochs),
  earlyBird: searchThen(({ epochs, drawn }) => epochs - drawn),
} satisfies Record<string, Composition>;
type Method = keyof typeof COMPOSITIONS;
const paperFlops = (method: Method, comparison: Comparison) => trainingFlops(COMPOSITIONS[method](comparison), 'paper');

describe('Table 3: ResNet-18 on ImageNet, P', () => {
  const images = 1_281_167;
  const common = { epochs: 90, drawn: 11, images };
  let dense: number;
  beforeAll(async () => {
    dense = await forwardOf('resnet18', 18, 1000);
  });

  const rows: [string, Method, number, string][] = [
    ['unpruned', 'dense', 0, '1259.13'],
    ['network slimming, 10 %', 'networkSlimming', 3.37e9, '2424.86'],
    ['network slimming, 30 %', 'networkSlimming', 2.63e9, '2168.89'],
    ['EB Train, 10 %', 'earlyBird', 3.37e9, '1177.15'],
    ['EB Train, 30 %', 'earlyBird', 2.63e9, '952.46'],
  ];
  test.each(rows)('%s', (_name, method, ticket, printed) => {
    expect((paperFlops(method, { ...common, dense, ticket }) / 1e15).toFixed(2)).toBe(printed);
  });

  test('SFP, 30 %: the printed dense figure, and 58.2 % of it', () => {
    const printed = Number((paperFlops('dense', { ...common, dense, ticket: 0 }) / 1e15).toFixed(2));
    expect((printed * (1 + 0.582)).toFixed(2)).toBe('1991.94');
    // The unrounded figure would give another last digit.
    const stretches = COMPOSITIONS.softFilterPruning({ ...common, dense: 3.64e9, ticket: 0.582 * 3.64e9 });
    expect((trainingFlops(stretches, 'exact') / 1e15).toFixed(2)).toBe('1991.95');
  });

  test('the exact rule differs in the fourth digit', () => {
    const stretches = COMPOSITIONS.dense({ ...common, dense, ticket: 0 });
    expect((trainingFlops(stretches, 'exact') / 1e15).toFixed(2)).toBe('1258.18');
  });
});

test('ResNet-50 on ImageNet by the same rule', async () => {
  const dense = await forwardOf('resnet50_official', 50, 1000);
  const flops = paperFlops('dense', { dense, ticket: 0, epochs: 90, drawn: 0, images: 1_281_167 });
  expect((flops / 1e15).toFixed(2)).toBe('2839.96');
});

describe('Table 2: VGG-16 on CIFAR-100, units of 0.05 P', () => {
  let dense: number;
  beforeAll(async () => {
    dense = await forwardOf('vgg', 16, 100);
  });

  // 50,000 images times 1 GFLOP is 0.05 P: the column is GFLOPs for one training image.
  const rows: [string, Method, number, number, string][] = [
    ['unpruned', 'dense', 0, 0, '302'],
    ['LT one-shot', 'lotteryTicket', 0, 0, '605'],
    ['SNIP', 'snip', 0, 0, '302'],
    ['network slimming, 10 %', 'networkSlimming', 0.59e9, 0, '586'],
    ['network slimming, 30 %', 'networkSlimming', 0.5e9, 0, '542'],
    ['network slimming, 50 %', 'networkSlimming', 0.37e9, 0, '480'],
    ['EB Train, re-init, 10 %', 'earlyBirdReinit', 0.58e9, 25, '326'],
    ['EB Train, re-init, 30 %', 'earlyBirdReinit', 0.49e9, 20, '273'],
    ['EB Train, re-init, 50 %', 'earlyBirdReinit', 0.39e9, 13, '212'],
    ['EB Train, 10 %', 'earlyBird', 0.58e9, 25, '282'],
    ['EB Train, 30 %', 'earlyBird', 0.49e9, 20, '243'],
    ['EB Train, 50 %', 'earlyBird', 0.39e9, 13, '197'],
  ];
  test.each(rows)('%s', (_name, method, ticket, drawn, printed) => {
    const flops = paperFlops(method, { dense, ticket, epochs: 160, drawn, images: 50_000 });
    // The paper cuts 243.6 to 243 and rounds the others.
    const shown = method === 'earlyBird' && drawn === 20 ? Math.floor : Math.round;
    expect(String(shown(flops / 0.05e15))).toBe(printed);
  });

  test('bench energy --dry-run prints it, told when the tickets were drawn and how large they are', async () => {
    const methods = ['dense', 'eb-ff', 'eb-reinit'];
    const told = { methods, assumeEpoch: [25, 20, 13], assumeFlops: [0.92, 0.78, 0.62], seeds: [1] };
    const preset = presetRecipe('vgg16-cifar100', 'benchEnergy', ['dataset', 'arch', 'depth', 'epochs', 'ratios']);
    const { rows } = await planEnergy(parseRecipe('benchEnergy', { ...preset, ...told, save: '/nowhere' }));
    const shown = rows.map(({ flops }) => Math.round((10 * flops!.paper!) / 0.05e15) / 10);
    expect(shown).toEqual([302.4, 282.2, 243.6, 196.6, 325.7, 273, 211.8]);
  });

  test('a plan that is told nothing counts tickets that keep 1 - p of every layer', async () => {
    const recipe = parseRecipe('benchEnergy', { dataset: 'cifar100', depth: 16, ratios: [0.3], save: '/nowhere' });
    const row = (await planEnergy(recipe)).rows.find(({ method }) => method === 'eb-ff')!;
    const widths = [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512] as const;
    const cfg = widths.map((width) => (width === 'M' ? width : Math.round(0.7 * width)));
    const model = await addon.createModel({ arch: 'vgg', depth: 16, classes: 100, cfg, seed: 1, device: 'cpu' });
    expect(row.ticketForward).toBe(forwardFlops(model.describe().layers));
    expect(row.epochs).toEqual({ dense: 20, ticket: 140 });
    model.dispose();
  });
});
