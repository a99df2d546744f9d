/**
 * Presets: named parts of recipes, laid beneath what the command line gives. Entries a command does not know are left out,
 * so one preset serves search, prune and retrain alike. Expected results are in docs/.
 */
import { EarlybirdError } from '../errors';

export interface Preset {
  help: string;
  recipe: Record<string, unknown>;
}

/** Hyper-parameters common to the reference's standard-train scripts (spec 1.3). */
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

/** A whole EB Train on made-up images in about two minutes on two cores: shows what happens, proves nothing about accuracy. */
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

export const PRESETS: Record<string, Preset> = {
  'vgg16-cifar100': { help: 'VGG-16 on CIFAR-100 as in scripts/standard-train', recipe: standardTrain },
  demo: { help: 'a whole EB Train on synthetic images in about two minutes', recipe: demo },
};

/** The part of a preset that a command with these keys understands. Throws ERR_RECIPE for an unknown name. */
export function presetRecipe(name: string, keys: readonly string[]): Record<string, unknown> {
  const preset = PRESETS[name];
  if (!preset) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--preset ${name} is not known: give one of ${Object.keys(PRESETS).join(', ')}.`,
    );
  }
  return Object.fromEntries(Object.entries(preset.recipe).filter(([key]) => keys.includes(key)));
}
