/**
 * Presets: named parts of recipes, which flags override. Entries that a command does not know are left out, so that one
 * preset serves search, prune, retrain and evaluate; entries that differ for a command are under its name. Where the
 * published scripts do something unexpected, a note is logged when the preset is used. Expected results are in docs/.
 */
import { EarlybirdError } from '../errors';
import { EIGHT_BITS, type PrecisionOptions, withoutReplaced } from './precision';
import type { CommandName } from './recipe';

type Part = Record<string, unknown>;

/** Published hyper-parameters of one experiment. */
export interface Preset {
  help: string;
  recipe: Part;
  /** Entries that differ for these commands. */
  commands?: Partial<Record<CommandName, Part>>;
  /** Oddities of the published hyper-parameters, logged when one of these commands uses the preset. */
  notes?: { for: CommandName[]; text: string }[];
}

/** Hyper-parameters common to the reference's standard-train scripts (docs/reference.md#2). */
const standardTrain = {
  dataset: 'cifar100',
  arch: 'vgg',
  depth: 16,
  sr: true,
  epochs: 160,
  schedule: [80, 120],
  batchSize: 256,
  testBatchSize: 256,
  lr: 0.1,
  momentum: 0.9,
};
const standardRetrain = { testBatchSize: 128 };

/** Hyper-parameters common to the reference's ImageNet scripts (docs/reference.md#2). */
const imagenet = {
  dataset: 'imagenet',
  sr: true,
  epochs: 90,
  schedule: [30, 60],
  batchSize: 256,
  testBatchSize: 64,
  lr: 0.1,
  momentum: 0.9,
};

const note = (text: string, commands: CommandName[] = ['retrain']) => ({ for: commands, text });
const BATCHES_OF_128 = note(
  'the published retraining tests in batches of 128 where the search tests in batches of 256: its accuracies are means over other batches',
);
const NEW_WEIGHTS = note(
  "the published retraining draws new weights although the paper inherits the ticket's; --reinit does that",
);

const cifar = (help: string, recipe: Part, commands: Preset['commands'] = {}): Preset => ({
  help,
  recipe: { ...standardTrain, ...recipe },
  commands: { retrain: standardRetrain, ...commands },
  notes: [BATCHES_OF_128, NEW_WEIGHTS],
});

const { depth: _, ...standardOfAnyDepth } = standardTrain;

/** Presets of networks that the reference does not have, with its hyper-parameters. */
const cifar10As = (network: string, arch: string): Preset => ({
  help: `${network} on CIFAR-10, the hyper-parameters of VGG-16`,
  recipe: { ...standardOfAnyDepth, dataset: 'cifar10', arch },
  commands: { retrain: standardRetrain },
});

/** Entries that scripts/low-precision adds. Prune and evaluate read the word lengths from the checkpoint. */
const lowPrecision = {
  ...EIGHT_BITS,
  rounding: 'stochastic',
  swa: true,
  swaStart: 140,
};

/** A whole EB Train on made-up images in about two minutes on two cores. Its accuracies mean nothing. */
const demo = {
  dataset: 'synthetic',
  arch: 'vgg',
  depth: 11,
  cfg: [16, 'M', 32, 'M', 48, 48, 'M', 64, 64, 'M', 64, 64],
  sr: true,
  s: 1e-3,
  epochs: 20,
  schedule: [4, 14],
  batchSize: 64,
  testBatchSize: 256,
  limitTrain: 4000,
  limitTest: 1000,
  lr: 0.1,
  percent: 0.5,
  ratios: [0.3, 0.5, 0.7],
  compareDense: true,
  keepCheckpoints: 'none',
  save: './runs/demo',
};

const ONE_STAGE = 'train has one recipe for both of its stages, that of the search';

/** The presets by name; `recipe` and `commands[name]` together are input for `parseRecipe`. */
export const PRESETS: Record<string, Preset> = {
  'vgg16-cifar100': cifar(
    'VGG-16 on CIFAR-100 as in scripts/standard-train',
    {},
    // These are the ratios of the paper's table for this network.
    { benchEnergy: { ratios: [0.1, 0.3, 0.5] } },
  ),
  'vgg16-cifar10': cifar('VGG-16 on CIFAR-10, the same hyper-parameters', { dataset: 'cifar10' }),
  'vgg16-cifar10-lp': {
    help: 'VGG-16 on CIFAR-10 in 8 bits as in scripts/low-precision',
    recipe: { ...standardTrain, dataset: 'cifar10' },
    commands: {
      search: lowPrecision,
      train: lowPrecision,
      retrain: { ...lowPrecision, ...standardRetrain },
    },
    notes: [
      BATCHES_OF_128,
      note(
        "the published retraining keeps the ticket's weights, and its variant from new weights keeps the old BatchNorm statistics and saves the raw model as swa.pth.tar; --reinit draws all anew, and swa.pth.tar holds the average",
      ),
      note(
        'as published, averaging leaves the learning rate where the schedule has it, and tests in low precision round stochastically',
        ['search', 'retrain', 'train'],
      ),
    ],
  },
  'preresnet101-cifar10': cifar('PreResNet-101 on CIFAR-10, the same hyper-parameters', {
    dataset: 'cifar10',
    arch: 'resnet',
    depth: 101,
  }),
  'preresnet101-cifar100': cifar('PreResNet-101 on CIFAR-100, the same hyper-parameters', {
    arch: 'resnet',
    depth: 101,
  }),
  'resnet18-imagenet': {
    help: 'ResNet-18 on ImageNet as in scripts/resnet18-imagenet',
    recipe: { ...imagenet, arch: 'resnet18', percent: 0.3 },
    commands: { retrain: { batchSize: 128 }, evaluate: { batchSize: 128 } },
    notes: [
      note(
        'as published, the retraining takes batches of 128 where the search took 256, at the same learning rate of 0.1',
      ),
      NEW_WEIGHTS,
      note(`${ONE_STAGE}: batches of 256, where the published retraining takes 128`, ['train']),
    ],
  },
  'resnet50-imagenet': {
    help: 'ResNet-50 on ImageNet as in scripts/resnet50-imagenet',
    recipe: { ...imagenet, arch: 'resnet50_official', percent: 0.7, swaStart: 60 },
    commands: {
      retrain: { arch: 'resnet50_prune', sr: false, testBatchSize: 128 },
      evaluate: { arch: 'resnet50_prune', batchSize: 128 },
    },
    notes: [
      note(
        'as published, the retraining leaves the L1 term off, which the search has on (--sparsity-regularization puts it on)',
      ),
      NEW_WEIGHTS,
      note(`${ONE_STAGE}: with the L1 term, which the published retraining leaves off`, ['train']),
    ],
  },
  'alexnet-bn-cifar10': cifar10As('AlexNet-BN', 'alexnet_bn'),
  'wide-resnet28-10-cifar10': cifar10As('WideResNet-28-10', 'wide_resnet28_10'),
  'densenet40-cifar10': cifar10As('DenseNet-40', 'densenet40'),
  'mobilenet-v2-imagenet': {
    // Rate and weight decay are those of the paper (Sandler et al., CVPR 2018, section 6.1).
    help: 'MobileNetV2 on ImageNet, 90 epochs',
    recipe: { ...imagenet, arch: 'mobilenet_v2', lr: 0.045, weightDecay: 4e-5, percent: 0.3 },
    notes: [
      note('the paper trains MobileNetV2 longer, and lowers the rate after every epoch', [
        'search',
        'retrain',
        'train',
      ]),
    ],
  },
  demo: { help: 'a whole EB Train on synthetic images in about two minutes', recipe: demo },
};

/**
 * The part of a preset that applies to a command with these keys. Left out is what `given` entries replace: the depth
 * and widths of another network, and other number formats. Throws ERR_RECIPE for an unknown name.
 */
export function presetRecipe(name: string, command: CommandName, keys: readonly string[], given: Part = {}): Part {
  const { recipe, commands } = presetNamed(name);
  const all: Part = { ...recipe, ...commands?.[command] };
  const replaced = given.arch === undefined || given.arch === all.arch ? [] : ['depth', 'cfg'];
  const kept = Object.entries(all).filter(([key]) => keys.includes(key) && !replaced.includes(key));
  return withoutReplaced(Object.fromEntries(kept), given as PrecisionOptions);
}

export function presetNotes(name: string, command: CommandName): string[] {
  const notes = presetNamed(name).notes ?? [];
  return notes.filter((note) => note.for.includes(command)).map(({ text }) => text);
}

function presetNamed(name: string): Preset {
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (preset) return preset;
  throw new EarlybirdError(
    'ERR_RECIPE',
    `--preset ${name} is not known: give one of ${Object.keys(PRESETS).join(', ')}.`,
  );
}
