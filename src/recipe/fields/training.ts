/**
 * Options of training. Here and in the other files of this folder, names and defaults are those of the reference
 * (docs/reference.md#1).
 */
import { z } from 'zod';
import { count, file, nonNegative, optionOf, positive } from '../option';

const option = optionOf('Training');
const output = optionOf('Output');

export const batches = {
  batchSize: option(count().default(64), 'images per training step'),
  testBatchSize: option(count().default(256), 'images per test batch'),
};

/** Options of stochastic weight averaging, in low-precision training or any other. */
export const averaging = {
  swa: option(
    z.boolean().default(false),
    'weight averaging: also test and save the mean of the weights after each epoch, in full precision (swa.pth.tar)',
  ),
  swaStart: option(count(0).default(160), 'first epoch index that --swa averages'),
};

export const training = {
  sr: option(z.boolean().default(false), 'sparsity regularisation: add the L1 subgradient on BN gammas (also -sr)', {
    flag: 'sparsity-regularization',
    aliases: ['sr'],
  }),
  s: option(nonNegative().default(1e-4), 'strength of the L1 term'),
  ...batches,
  epochs: option(count().default(160), 'end of the epoch indexes (exclusive)', { group: 'Common' }),
  schedule: option(
    z.array(count(0)).default([80, 120]),
    'epoch indexes from which the learning rate is 0.1 times smaller',
    'whole numbers, 0 or more',
  ),
  lr: option(positive().default(0.1), 'initial learning rate'),
  momentum: option(nonNegative().default(0.9), 'SGD momentum'),
  weightDecay: option(nonNegative().default(1e-4), 'weight decay, on all parameters', { aliases: ['wd'] }),
  logInterval: output(count().default(100), 'steps between two progress lines', { identity: false }),
  title: output(z.string().optional(), 'title of the report', 'text', { identity: false }),
  report: output(z.boolean().default(true), 'write report/index.html at the end', { identity: false }),
  ...averaging,
};

/** Options for looking at a run with other programs. */
export const logs = {
  tensorboard: output(z.boolean().default(false), 'also write event files for TensorBoard into the folder of the run', {
    identity: false,
  }),
};

export const continuing = <T extends z.ZodType>(startEpoch: T, startHelp: string) => ({
  startEpoch: option(startEpoch, startHelp),
  resume: option(file().optional(), 'checkpoint to go on from; a run that was interrupted resumes without this', {
    identity: false,
  }),
});

/**
 * Checkpoint to start from. Its path is no part of a run's identity, but the contents of the file are
 * (train/resume.ts).
 */
export const scratch = (help: string) => option(file().optional(), help, { group: 'Common', identity: false });
