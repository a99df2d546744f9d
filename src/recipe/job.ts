/** The recipe of `bench job`: one training task, done by this program and by PyTorch. */
import { z } from 'zod';
import { DATASETS } from '../data/known';
import { beside } from './benchmarks';
import { dataset } from './fields/data';
import { energy, runtime } from './fields/runtime';
import { detector } from './fields/ticket';
import { batches, training } from './fields/training';
import { count, distinct, folder, LONGEST_TIMER, option, ratio } from './option';

/** The networks of --model, as --arch and --depth name them. */
export const JOB_MODELS = { vgg16: { arch: 'vgg', depth: 16 }, preresnet20: { arch: 'resnet', depth: 20 } } as const;
const JOB_MODES = ['reference', 'tuned'] as const;

const names = Object.keys(JOB_MODELS) as (keyof typeof JOB_MODELS)[];
const { data, limitTrain, limitTest } = dataset('cifar10');
const { s, lr, momentum, weightDecay } = training;
const { detectorWindow, detectorThreshold, detectorRule } = detector;
const { seed, capture, cudnnSearch, ...machine } = runtime;
/** Data sets whose images both sides hold in memory at 32 pixels. */
const kinds = DATASETS.filter((name) => name !== 'imagenet');

export const benchJobSchema = z.strictObject({
  save: option(folder().min(1).default('./runs/job'), 'folder of the runs and of the result; created if missing', {
    group: 'Common',
    aliases: ['out'],
    identity: false,
  }),
  dataset: option(z.enum(kinds).default('cifar10'), 'dataset; folder is a folder of class folders', {
    group: 'Common',
  }),
  ...{ data, limitTrain, limitTest },
  model: option(z.enum(names).default('vgg16'), 'network', { group: 'Network' }),
  ratio: option(ratio().default(0.5), 'pruning ratio p', { group: 'Ticket', aliases: ['percent'] }),
  epochs: option(
    count(2).default(160),
    'epochs of a training: of the dense network, and of the ticket with what it has seen',
    {
      group: 'Common',
    },
  ),
  schedule: option(
    z.array(count(0)).optional(),
    'epoch indexes from which the learning rate is 0.1 times smaller',
    'whole numbers, 0 or more',
    { group: 'Training', defaultHelp: 'half and three quarters of --epochs' },
  ),
  ...batches,
  ...{ s, lr, momentum, weightDecay, detectorWindow, detectorThreshold, detectorRule },
  seeds: option(
    z.array(count(0)).min(1).default([1, 2, 3]).refine(distinct),
    'seeds; every program runs once for each',
    'different whole numbers, 0 or more',
    { identity: false },
  ),
  ...beside,
  timeout: option(count(1, LONGEST_TIMER).default(7 * 24 * 3600), 'seconds after which a run is given up', {
    identity: false,
  }),
  modes: option(
    z
      .array(z.enum(JOB_MODES))
      .min(1)
      .default([...JOB_MODES])
      .refine(distinct),
    'modes of the peer',
    `different ones of ${JOB_MODES.join(', ')}`,
    { identity: false },
  ),
  ...energy,
  ...machine,
});
