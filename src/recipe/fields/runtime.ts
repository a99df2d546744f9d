import { z } from 'zod';
import { count, folder, LONGEST_TIMER, nonNegative, optionOf, positive } from '../option';

const option = optionOf('Machine');
const output = optionOf('Output');

const PRECISIONS = ['auto', 'fp32', 'bf16'] as const;
export const files = {
  save: option(folder().min(1).default('./logs'), 'folder of the run; created if missing', {
    group: 'Common',
    identity: false,
  }),
};

export const runtime = {
  device: option(
    z
      .string()
      .regex(/^(auto|cpu|cuda(:\d+)?)$/)
      .default('auto'),
    'where to compute; cuda is an error where there is none, auto takes a GPU if there is one',
    'auto, cpu, cuda or cuda:N',
    { group: 'Common', identity: false },
  ),
  noCuda: option(z.boolean().default(false), 'compute on the CPU', { identity: false }),
  gpuIds: option(
    z
      .string()
      .regex(/^-?\d+(,\d+)*$/)
      .optional(),
    'GPUs; train, search, retrain and evaluate start a rank on each; -1 for the CPU; --device wins',
    'GPU numbers such as 0,1, or -1',
    { identity: false, defaultHelp: 'a GPU if there is one' },
  ),
  precision: option(z.enum(PRECISIONS).default('auto'), 'arithmetic of forward and backward passes; auto is fp32', {
    group: 'Precision',
  }),
  capture: option(
    z.boolean().default(true),
    'record a step as a CUDA graph and replay it for full batches; does nothing on the CPU',
    { identity: false },
  ),
  cudnnSearch: option(
    z.boolean().default(false),
    'let cuDNN time its algorithms and take the fastest; another process may then take others, with other bits',
    { identity: false },
  ),
  threads: option(count(1, 1024).optional(), 'CPU threads', { identity: false, defaultHelp: 'all cores' }),
  seed: option(count(0).default(1), 'seed of weights, order and augmentation', { group: 'Training' }),
};
/** Options of energy metering (energy/meter.ts). */
export const energy = {
  energy: output(
    z.enum(['auto', 'off']).default('auto'),
    'meter the energy of the GPU, the processor and its memory where the machine can be read: energy.json',
    'auto or off',
    { identity: false },
  ),
  watts: output(positive().optional(), 'power to count where nothing can be read; flagged as an estimate', {
    identity: false,
    defaultHelp: 'none',
  }),
  idleSeconds: output(
    nonNegative().max(LONGEST_TIMER).default(0),
    'measure the idle machine first, for N seconds',
    `a number from 0 to ${LONGEST_TIMER}`,
    { identity: false },
  ),
};
const KEEP = /^(all|none|ticket|every:[1-9]\d*|at:(\d+|2x)(,(\d+|2x))*)$/;
export const checkpoints = (standard: string) => ({
  keepCheckpoints: output(
    z.string().regex(KEEP).default(standard),
    'which ckpt{e}.pth.tar stay on disk: every epoch, none, those up to the last ticket, every N-th, or those after so many epochs (2x: twice those of a ticket)',
    'all, none, ticket, every:N or at:1,2,2x',
    { identity: false },
  ),
  checkpointEvery: output(
    count().optional(),
    'also write a checkpoint after every N steps of an epoch (inside-epoch.pth.tar), from which a rerun goes on; for long epochs',
    { identity: false, defaultHelp: 'none' },
  ),
});
