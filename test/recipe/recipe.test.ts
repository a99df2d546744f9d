/** @jest-environment ./test/support/yargs-environment.js */
import { normaliseArguments, PARSER } from '../../src/cli/arguments';
import { addOptions, recipeFrom, type Values } from '../../src/cli/options';
import { pruneSchema } from '../../src/recipe/experiments';
import { CRITERIA, needsImages } from '../../src/recipe/fields/ranking';
import { identityOf } from '../../src/recipe/identity';
import { OPTIONS } from '../../src/recipe/option';
import { PRESETS } from '../../src/recipe/presets';
import { type CommandName, parseRecipe, requireParsed } from '../../src/recipe/recipe';

declare const yargs: typeof import('yargs/yargs');

/** Parses a line of arguments as the command line does. */
function recipe<C extends CommandName>(command: C, line: string): Values<C> {
  const written = line.split(' ').filter(Boolean);
  const words = normaliseArguments(written.map((word) => (word === "''" ? '' : word)));
  const cli = addOptions(yargs(words).parserConfiguration(PARSER), command);
  const flags = cli.exitProcess(false).fail((message, error) => {
    throw error ?? new Error(message);
  });
  return recipeFrom(command, flags.parseSync()).recipe;
}

const refused = (command: CommandName, line: string) => {
  try {
    recipe(command, line);
  } catch (error) {
    return error as Error & { code: string };
  }
  throw new Error(`not refused: ${line}`);
};

test('defaults are those of the reference', () => {
  expect(recipe('search', '')).toMatchObject({
    dataset: 'cifar10',
    sr: false,
    s: 1e-4,
    batchSize: 64,
    testBatchSize: 256,
    epochs: 160,
    startEpoch: 0,
    schedule: [80, 120],
    lr: 0.1,
    momentum: 0.9,
    weightDecay: 1e-4,
    seed: 1,
    logInterval: 100,
    save: './logs',
    arch: 'vgg',
    depth: 19,
    filter: 'none',
    sigma: 1,
    sparsityGt: 0,
    ratios: [0.3, 0.5, 0.7],
    detectorWindow: 5,
    detectorThreshold: 0.1,
    detectorRule: 'reference',
  });
  expect(recipe('retrain', '')).toMatchObject({ dataset: 'cifar100', reinit: false, filter: 'none' });
  expect(recipe('retrain', '').startEpoch).toBeUndefined();
  expect(recipe('prune', '--model x')).toMatchObject({
    percent: 0.5,
    emptyLayers: 'keep-one',
    surgery: 'reference',
    roundTo: 1,
    measure: true,
  });
});

test.each([
  ['--sparsity-regularization', { sr: true }],
  ['-sr', { sr: true }],
  ['--sr', { sr: true }],
  ['--s 0.001', { s: 0.001 }],
  ['--batch-size 256', { batchSize: 256 }],
  ['--test-batch-size 128', { testBatchSize: 128 }],
  ['--epochs 90', { epochs: 90 }],
  ['--start-epoch 35', { startEpoch: 35 }],
  ['--start_epoch 35', { startEpoch: 35 }],
  ['--start_epoch=35', { startEpoch: 35 }],
  ['--schedule 30 60', { schedule: [30, 60] }],
  ['--schedule 80 120 --lr 0.1', { schedule: [80, 120], lr: 0.1 }],
  ['--momentum 0.8', { momentum: 0.8 }],
  ['--weight-decay 0.0005', { weightDecay: 5e-4 }],
  ['--wd 5e-4', { weightDecay: 5e-4 }],
  ['--resume logs/checkpoint.pth.tar', { resume: 'logs/checkpoint.pth.tar' }],
  ['--no-cuda', { noCuda: true }],
  ['--seed 7', { seed: 7 }],
  ['--log-interval 10', { logInterval: 10 }],
  ['--save a_b/c', { save: 'a_b/c' }],
  ['--arch resnet', { arch: 'resnet', depth: 164 }],
  ['--arch resnet --depth 20', { arch: 'resnet', depth: 20 }],
  ['--scratch p.pth.tar', { scratch: 'p.pth.tar' }],
  ['--filter lowpass --sigma 2', { filter: 'lowpass', sigma: 2 }],
  ['--sparsity_gt 0.2', { sparsityGt: 0.2 }],
  ['--sparsify_gt 0.2', { sparsityGt: 0.2 }],
  ['--gpu_ids 0', { gpuIds: '0' }],
  ['--gpu_ids -1', { gpuIds: '-1' }],
  ['--gpu_ids 0,1,2,3 --local_rank 0 --port 15000', { gpuIds: '0,1,2,3', port: 15000 }],
  ['--dataset imagenet --data r --workers 3 --max-bad 0', { workers: 3, maxBad: 0 }],
  ['--arch resnet18', { depth: 18 }],
  ['--arch resnet34', { depth: 34 }],
  ['--arch resnet50_official', { depth: 50 }],
  ['--data x --dataset folder', { data: 'x', dataset: 'folder' }],
  ['--swa False', { swa: false }],
  ['--swa True --swa_start 140', { swa: true, swaStart: 140 }],
  ['--swa=True --swa_start=140', { swa: true, swaStart: 140 }],
  ['--swa=False', { swa: false }],
  ['--swa --epochs 161', { swa: true, swaStart: 160 }],
  ['--dataset cifar10 --image-size 32', { imageSize: 32 }],
  ['--epochs 3', { epochs: 3 }],
  ['', { wlWeight: -1, wlActivate: -1, wlGrad: -1, wlError: -1, wlMomentum: -1, rounding: 'stochastic' }],
  ['--wl-weight 8 --wl-activate 7 --wl-grad 6', { wlWeight: 8, wlActivate: 7, wlGrad: 6, wlError: -1 }],
  ['--wl-error 22 --wl-momentum 2 --wl-weight -1', { wlError: 22, wlMomentum: 2, wlWeight: -1 }],
  ['--wl_weight 8 --rounding nearest', { wlWeight: 8, rounding: 'nearest' }],
  ['--bfp-flavour swalp', { bfpFlavour: 'swalp' }],
  ['--bfp-flavor swalp', { bfpFlavour: 'swalp' }],
  ['--non-finite propagate --test-rounding nearest', { nonFinite: 'propagate', testRounding: 'nearest' }],
  ['--device cuda:1 --precision bf16 --threads 2', { device: 'cuda:1', precision: 'bf16', threads: 2 }],
  ['--limit-train 512 --limit-test 256', { limitTrain: 512, limitTest: 256 }],
  ['--ratios 0.1 0.2', { ratios: [0.1, 0.2] }],
  ['--cfg 64 M 128', { cfg: [64, 'M', 128] }],
  [
    '--detector-rule consecutive --detector-window 3 --detector-threshold 0.05',
    { detectorRule: 'consecutive', detectorWindow: 3 },
  ],
  ['--stop-at-ticket --keep-checkpoints every:5', { stopAtTicket: true, keepCheckpoints: 'every:5' }],
  ['--report false', { report: false }],
  ['--no-report', { report: false }],
  ['-sr --no-sr', { sr: false }],
  ['--no_capture --capture', { capture: true }],
  ['--schedule 80,120', { schedule: [80, 120] }],
  ['--cfg 64,M,128 --ratios 0.1,0.2', { cfg: [64, 'M', 128], ratios: [0.1, 0.2] }],
  ['--epochs 1 --epochs 2', { epochs: 2 }],
  ["--schedule ''", { schedule: [] }],
])('search %s', (line, expected) => {
  expect(recipe('search', line)).toMatchObject(expected);
});

test.each([
  [
    'prune',
    '--dataset cifar100 --arch vgg --depth 16 --percent 0.3 --model m --save s --init i --multi_GPU 1 --gpu_ids 0 --test-batch-size 256 --no-cuda',
  ],
  [
    'distance',
    '--dataset cifar100 --arch vgg --depth 16 --start_epoch 1 --end_epoch 160 --percent 0.5 --save s --save_1 t --test-batch-size 256 --gpu_ids 0 --bits_A 8 --bits_W 8 --bits_G 8 --bits_E 8 --bits_R 16',
  ],
  [
    'evaluate',
    '--dataset cifar10 --arch resnet --depth 20 -sr --epochs 90 --schedule 30 60 --lr 0.1 --batch-size 128 --resume r --scratch s --save x',
  ],
  ['retrain', '--start-epoch 35 --scratch p -sr --wd 1e-4 --resume x --reinit'],
  [
    'prune',
    '--dataset cifar10 --depth 16 --percent 0.3 --model m --save s --wl-weight 8 --wl-activate 8 --wl-grad 8 --wl-error 8 --wl-momentum 8 --rounding stochastic --swa False --gpu_ids 0',
  ],
  ['evaluate', '--resume r --swa True --swa_start 60 --wl-activate 8 --test-rounding nearest'],
] as [CommandName, string][])("%s takes the reference's options", (command, line) => {
  expect(() => recipe(command, line)).not.toThrow();
});

test.each([
  ['search', '--lr abc', '--lr abc', 'ERR_RECIPE'],
  ['search', '--batch-size 0', '--batch-size 0', 'ERR_RECIPE'],
  ['search', '--batch-size 1.5', '--batch-size 1.5', 'ERR_RECIPE'],
  ['search', '--dataset mnist', 'cifar10, cifar100', 'ERR_RECIPE'],
  ['search', '--device gpu', 'cuda:N', 'ERR_RECIPE'],
  ['search', '--ratios 0.3 1', '--ratios 0.3 1', 'ERR_RECIPE'],
  ['search', '--ratios 0.3 0.3', '--ratios 0.3 0.3', 'ERR_RECIPE'],
  ['search', '--ratios 0.125', 'whole percents', 'ERR_RECIPE'],
  ['search', '--wl-weight 1', '--wl-weight 1 is not possible: give -1 or a whole number from 2 to 22', 'ERR_RECIPE'],
  ['search', '--wl-grad 23', '--wl-grad 23', 'ERR_RECIPE'],
  ['retrain', '--wl-error 0', '--wl-error 0', 'ERR_RECIPE'],
  ['prune', '--model x --wl-momentum 7.5', '--wl-momentum 7.5', 'ERR_RECIPE'],
  ['evaluate', '--wl-activate eight', '--wl-activate eight', 'ERR_RECIPE'],
  ['search', '--rounding up', 'one of stochastic, nearest', 'ERR_RECIPE'],
  ['search', '--swa_start -1', '--swa-start -1', 'ERR_RECIPE'],
  ['search', '--swa', '--swa averages from epoch index 160 on, which --epochs 160 never reaches', 'ERR_RECIPE'],
  ['retrain', '--swa --swa_start 4 --epochs 4', 'give a smaller --swa-start, or leave out --swa', 'ERR_RECIPE'],
  ['train', '--epochs 4', '--detector-window 5 needs the masks of 5 epochs', 'ERR_RECIPE'],
  ['train', '--epochs 5 --detector-rule consecutive', 'needs the masks of 6 epochs', 'ERR_RECIPE'],
  ['search', '--stop-at-ticket --epochs 8 --start-epoch 4', 'no ticket can emerge within --epochs 8', 'ERR_RECIPE'],
  ['search', '--image-size 64', '--image-size 64 does nothing with --dataset cifar10', 'ERR_RECIPE'],
  ['evaluate', '--resume x --dataset synthetic --image-size 64', 'does nothing with --dataset synthetic', 'ERR_RECIPE'],
  ['train', '--variant fl', 'one of ff, lf, ll', 'ERR_RECIPE'],
  ['train', '--variant ff --wl-weight 8', '--variant ff is full precision', 'ERR_RECIPE'],
  ['prune', '--model x --protective --percent 0.9', 'below 0.9', 'ERR_RECIPE'],
  ['search', '--dataset imagenet --filter lowpass', 'not possible with --dataset imagenet', 'ERR_RECIPE'],
  ['evaluate', '--dataset imagenet --sparsity_gt 0.1', 'not possible with --dataset imagenet', 'ERR_RECIPE'],
  ['search', '--gpu_ids none', 'GPU numbers such as 0,1', 'ERR_RECIPE'],
  ['search', '--schedule --lr 0.05', '--schedule needs a value: give whole numbers, 0 or more.', 'ERR_USAGE'],
  ['plot', '--ratios', '--ratios needs a value', 'ERR_USAGE'],
  ...(['train', 'prune --model x', 'benchEnergy', 'study'].map((words) => {
    const [command, ...more] = words.split(' ');
    const line = [...more, '--surgery exact --empty-layers remove'].join(' ');
    return [command, line, '--empty-layers remove is not possible with --surgery exact', 'ERR_RECIPE'];
  }) as [CommandName, string, string, string][]),
  ['search', '--device cuda:1 --no-cuda', '--device cuda:1 is not possible with --no-cuda', 'ERR_RECIPE'],
  ['search', '--arch resnet50_official --depth 101', 'resnet50_official has depth 50, give that or none', 'ERR_RECIPE'],
  ['retrain', '--arch densenet40 --depth 16', 'DenseNet-40 has depth', 'ERR_RECIPE'],
  ['search', '--keep-checkpoints some', 'every:N', 'ERR_RECIPE'],
  ['search', '--preset nothing', 'demo', 'ERR_RECIPE'],
  ['train', '--init x.pth.tar --from-scratch', '--init x.pth.tar', 'ERR_RECIPE'],
  ['prune', '', '--model is missing', 'ERR_RECIPE'],
  ['prune', '--model x --percent 1', '--percent 1', 'ERR_RECIPE'],
  ['prune', '--model x --surgery nonsense', 'one of reference, exact', 'ERR_RECIPE'],
  ['train', '--round-to 0', '--round-to 0', 'ERR_RECIPE'],
  // What is longer than the longest timer of Node would be over at once.
  ['benchStep', '--timeout 2147484', '--timeout 2147484 is not possible: give a whole number from 1', 'ERR_RECIPE'],
  ['benchJob', '--timeout 2147484', '--timeout 2147484 is not possible: give a whole number from 1', 'ERR_RECIPE'],
  ['search', '--idle-seconds 2147484', '--idle-seconds 2147484 is not possible: give a number from 0', 'ERR_RECIPE'],
] as [CommandName, string, string, string][])('%s %s is refused with one sentence', (command, line, text, code) => {
  const error = refused(command, line);
  expect(error.message).toContain(text);
  expect(error.code).toBe(code);
});

test('an unknown flag is refused', () => {
  expect(refused('search', '--bogus 1').message).toContain('--bogus is not an option');
  expect(refused('search', '--batch 1').message).not.toContain('did you mean');
  expect(refused('search', '--batch-sise 1').message).toContain('did you mean --batch-size?');
  expect(refused('distance', '--preset demo').message).toContain('--preset');
  expect(() => parseRecipe('search', { bogus: 1 })).toThrow('bogus');
});

test('evaluate takes its checkpoint without a flag', () => {
  for (const line of ['--resume x', '--model x']) expect(recipe('evaluate', line).resume).toBe('x');
  expect(recipeFrom('evaluate', { file: 'x' }).recipe.resume).toBe('x');
});

test('flags win over a preset, a preset over defaults', () => {
  const made = recipe('train', '--preset demo --epochs 7');
  expect(made).toMatchObject({ dataset: 'synthetic', epochs: 7, compareDense: true, lr: 0.1 });
});

test.each([
  [
    'search',
    'resnet18-imagenet',
    { arch: 'resnet18', batchSize: 256, testBatchSize: 64, sr: true, schedule: [30, 60] },
  ],
  ['retrain', 'resnet18-imagenet', { batchSize: 128, testBatchSize: 64, sr: true, epochs: 90 }],
  ['evaluate', 'resnet18-imagenet', { batchSize: 128, dataset: 'imagenet' }],
  ['search', 'resnet50-imagenet', { arch: 'resnet50_official', depth: 50, batchSize: 256, sr: true }],
  ['retrain', 'resnet50-imagenet', { arch: 'resnet50_prune', batchSize: 256, testBatchSize: 128, sr: false }],
  ['search', 'preresnet101-cifar10', { arch: 'resnet', depth: 101, dataset: 'cifar10', batchSize: 256 }],
  ['retrain', 'vgg16-cifar100', { arch: 'vgg', testBatchSize: 128 }],
  ['search', 'vgg16-cifar100', { testBatchSize: 256 }],
  [
    'search',
    'vgg16-cifar10-lp',
    { dataset: 'cifar10', depth: 16, wlWeight: 8, wlMomentum: 8, swa: true, swaStart: 140, testBatchSize: 256 },
  ],
  ['retrain', 'vgg16-cifar10-lp', { wlWeight: 8, swaStart: 140, testBatchSize: 128 }],
  ['train', 'vgg16-cifar10-lp', { wlWeight: 8, variant: 'll' }],
  ['train', 'vgg16-cifar10-lp --variant lf', { wlWeight: 8, variant: 'lf' }],
  ['search', 'resnet50-imagenet', { swa: false, swaStart: 60 }],
  // What is given replaces the formats and the network of a preset, and what belongs to them.
  [
    'search',
    'vgg16-cifar10-lp --format mxint8',
    { wlWeight: -1, formatWeight: 'mxint8', wlMomentum: -1, rounding: undefined, swa: true },
  ],
  ['train', 'vgg16-cifar10-lp --format full', { wlWeight: -1, variant: 'ff' }],
  ['search', 'vgg16-cifar10-lp --format-activate full', { wlActivate: -1, wlWeight: 8, rounding: 'stochastic' }],
  ['search', 'vgg16-cifar10-lp --wl-weight 4', { wlWeight: 4, wlGrad: 8 }],
  ['search', 'vgg16-cifar10 --arch resnet', { arch: 'resnet', depth: 164 }],
  ['search', 'vgg16-cifar10 --arch resnet18', { depth: 18 }],
] as [CommandName, string, object][])('%s --preset %s is as published', (command, preset, expected) => {
  expect(recipe(command, `--preset ${preset}`)).toMatchObject(expected);
});

test('what is odd in a preset is said', () => {
  const notes = (command: CommandName, preset: string) => recipeFrom(command, { preset }).notes.join('\n');
  expect(notes('retrain', 'resnet18-imagenet')).toMatch(/^preset resnet18-imagenet: .*batches of 128.*took 256/);
  for (const name of ['resnet18-imagenet', 'resnet50-imagenet', 'vgg16-cifar100'])
    expect(notes('retrain', name)).toMatch(/the published retraining draws new weights .*--reinit/);
  expect(notes('retrain', 'resnet50-imagenet')).toMatch(/leaves the L1 term off/);
  expect(notes('search', 'resnet50-imagenet')).toBe('');
  expect(notes('retrain', 'vgg16-cifar10-lp')).toMatch(/keeps the ticket's weights.*raw model as swa\.pth\.tar/);
  expect(recipeFrom('search', {}).notes).toEqual([]);
});

test('every preset is a valid recipe of every command it serves', () => {
  for (const preset of Object.keys(PRESETS))
    for (const command of ['search', 'retrain', 'train', 'evaluate'] as const)
      expect(() => recipe(command, `--preset ${preset}`)).not.toThrow();
});

test('retraining leaves to a ticket what network it is', () => {
  expect(recipe('retrain', '')).toMatchObject({ arch: 'vgg', depth: 19 });
  expect(recipe('retrain', '--scratch p --arch resnet')).not.toHaveProperty('depth');
  expect(recipe('retrain', '--scratch p')).not.toHaveProperty('arch');
  expect(recipe('retrain', '--scratch p')).not.toHaveProperty('wlWeight');
  expect(recipe('retrain', '')).toMatchObject({ wlWeight: -1 });
});

test('a ticket is the same one wherever it lies', () => {
  const [one, other] = ['a/p', './a/p'].map((path) => identityOf('retrain', recipe('retrain', `--scratch ${path}`)));
  expect(one).toEqual(other);
});

test('the identity of a run leaves out where and how fast it runs', () => {
  const one = identityOf('search', recipe('search', '--save a --threads 1 --device cpu --log-interval 5'));
  const other = identityOf('search', recipe('search', '--save b --threads 2 --workers 3 --max-bad 1 --port 1'));
  expect(one).toEqual(other);
  expect(identityOf('search', recipe('search', '--lr 0.2'))).not.toEqual(one);
});

test('a preset leaves the word lengths of a checkpoint to the checkpoint', () => {
  expect(recipe('evaluate', '--preset vgg16-cifar10-lp').wlWeight).toBeUndefined();
  expect(recipe('prune', '--preset vgg16-cifar10-lp --model x').wlWeight).toBeUndefined();
});

test('how low precision rounds tells runs apart only in low precision, and where averaging starts only with it', () => {
  const identity = (line: string) => identityOf('search', recipe('search', line));
  expect(identity('--rounding nearest --non-finite propagate --swa_start 3')).toEqual(identity(''));
  expect(identity('--wl-weight 8')).not.toEqual(identity(''));
  for (const more of ['--rounding nearest', '--wl-grad 8', '--bfp-flavour swalp', '--test-rounding nearest'])
    expect(identity(`--wl-weight 8 ${more}`)).not.toEqual(identity('--wl-weight 8'));
  expect(identity('--wl-weight 8 --rounding stochastic')).toEqual(identity('--wl-weight 8'));
  expect(identity('--swa --swa_start 3')).not.toEqual(identity('--swa --swa_start 4'));
  expect(identityOf('train', recipe('train', '--variant ff'))).toEqual(identityOf('train', recipe('train', '')));
  expect(identityOf('train', recipe('train', '--variant lf'))).not.toEqual(
    identityOf('train', recipe('train', '--variant ll')),
  );
});

test('a recipe that parseRecipe has not made is refused in one sentence', () => {
  for (const command of ['search', 'retrain', 'train', 'prune', 'evaluate'] as const) {
    const input = command === 'prune' ? { model: 'm.pth.tar' } : {};
    expect(() => requireParsed(command, input)).toThrow(/^The recipe has no entry "\w+": make it with parseRecipe\('/);
    expect(() => requireParsed(command, parseRecipe(command, input))).not.toThrow();
  }
});

test('--round-to takes a number or auto', () => {
  expect(recipe('prune', '--model x --round-to 8').roundTo).toBe(8);
  expect(recipe('train', '--round-to auto').roundTo).toBe('auto');
  for (const value of ['0', '2.5', 'fast'])
    expect(() => recipe('prune', `--model x --round-to ${value}`)).toThrow(
      `--round-to ${value} is not possible: give a whole number, 1 or more, or auto.`,
    );
});

test('criterion and budget are part of what a run computes only where they are not those of before', () => {
  const keys = (line: string) => {
    const now = identityOf('search', recipe('search', line));
    return ['criterion', 'criterionBatches', 'budget'].filter((key) => Object.hasOwn(now, key));
  };
  expect(keys('')).toEqual([]);
  expect(keys('--criterion l2 --budget flops')).toEqual(['criterion', 'budget']);
  expect(keys('--criterion snip')).toEqual(['criterion', 'criterionBatches']);
  const pruned = (line: string) => Object.keys(identityOf('prune', recipe('prune', `--model m ${line}`)));
  expect(pruned('--limit-train 50')).toEqual(pruned(''));
  expect(pruned('--criterion taylor --dataset cifar10 --limit-train 50')).toEqual(
    expect.arrayContaining(['criterion', 'criterionBatches', 'limitTrain', 'batchSize', 'filter']),
  );
});

test('a uniform mask has no other budget, and soft pruning is part of what a run computes', () => {
  expect(refused('prune', '--model m --uniform --budget flops').message).toContain('leave out --budget flops');
  expect(refused('prune', '--model m --uniform --protective --percent 0.3').message).toContain(
    'leave out --protective',
  );
  const identity = (line: string) => identityOf('retrain', recipe('retrain', line));
  expect(identity('--soft-prune 0')).toEqual(identity(''));
  expect(identity('')).not.toHaveProperty('softPrune');
  expect(identity('--soft-prune 0.3')).toMatchObject({ softPrune: 0.3 });
});

test('criteria of gradients need a dataset', () => {
  expect(refused('prune', '--model m --criterion taylor')).toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringMatching(/^--criterion taylor needs .* give --dataset/),
  });
  expect(recipe('prune', '--model m --criterion l1')).toMatchObject({ criterion: 'l1', budget: 'channels' });
});

test('help of prune --dataset names all criteria that need images', () => {
  const { help } = OPTIONS.get(pruneSchema.shape.dataset)!;
  const named = CRITERIA.filter((criterion) => help.includes(criterion));
  expect(named).toEqual(CRITERIA.filter(needsImages));
});
