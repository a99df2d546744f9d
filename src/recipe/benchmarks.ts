/** Options of the benchmarks. */
import { z } from 'zod';
import { ranks } from './fields/ranks';
import { runtime } from './fields/runtime';
import { count, distinct, folder, LONGEST_TIMER, option, positive, ratio } from './option';
import { FORMAT_NAMES } from './precision';

export const BENCH_MODELS = ['vgg16', 'preresnet101', 'resnet18', 'resnet50'] as const;
const PEER_MODES = ['reference', 'tuned', 'compiled'] as const;
export const LOADER_MODES = ['pillow', 'draft', 'torchvision', 'simplejpeg', 'dali'] as const;
/** Ways in which the peer computes: many kernels a call, or torch.compile. */
export const QUANTISER_MODES = ['eager', 'compiled'] as const;

const network = {
  model: option(z.enum(BENCH_MODELS).default('vgg16'), 'network'),
  batchSize: option(count().default(64), 'images per training step', { aliases: ['batch'] }),
};
/**
 * Options of a benchmark beside PyTorch. Peer and Python are no part of its identity, as they do not change what is
 * computed.
 */
export const beside = {
  peer: option(
    folder().min(1).optional(),
    'folder of the PyTorch peer (bench/peer/README.md), or none to time this program alone',
    {
      identity: false,
      defaultHelp: 'bench/peer of this package, where npm run bench:peers has made its environment',
    },
  ),
  python: option(z.string().min(1).optional(), 'Python with PyTorch, for the peer', 'the name of a program', {
    identity: false,
    defaultHelp: 'that of .venv in the folder of the peer, else python3',
  }),
  timeout: option(count(1, LONGEST_TIMER).default(900), 'seconds after which a run is given up'),
};
const modesOf = <const M extends readonly string[]>(modes: M) =>
  option(
    z
      .array(z.enum(modes))
      .min(1)
      .default([...modes])
      .refine(distinct),
    'modes of the peer',
    `different ones of ${modes.join(', ')}`,
  );

const quick = option(z.boolean().default(false), 'small sizes, for a look at whether it works');

const roundTo = option(
  count().or(z.literal('auto')).default(1),
  'with --ticket: widths become multiples of this; auto: where it is faster here',
  'a whole number, 1 or more, or auto',
);
/**
 * A ticket of the benchmarks. Gammas of a new network are equal and would draw no mask, so they are drawn from the
 * seed.
 */
const ticketOf = (what: string) =>
  option(ratio().gt(0).optional(), `${what}; its gammas are drawn from --seed`, {
    defaultHelp: 'the dense network only',
  });

const benchProfileSchema = z.strictObject({
  ...network,
  ticket: ticketOf('profile the ticket of this pruning ratio instead'),
  roundTo,
  steps: option(count().default(10), 'profiled steps, and as many timed without the profiler'),
  warmup: option(count().default(3), 'steps before them'),
  top: option(count().default(15), 'kernels to list'),
  quick,
  ...runtime,
});

const benchDetectSchema = z.strictObject({
  ...network,
  steps: option(count().default(20), 'timed training steps, used to estimate the time of an epoch'),
  warmup: option(count().default(3), 'untimed steps before them'),
  repetitions: option(count().default(20), 'timed detections'),
  epochSeconds: option(positive().optional(), 'seconds of a training epoch, where they are known', {
    defaultHelp: 'measured by --steps',
  }),
  ...runtime,
});

const positional = (what: string) =>
  option(z.array(z.string()).default([]), what, 'paths of files', { positional: 'files' });

const benchCompareSchema = z.strictObject({ files: positional('two results that --json wrote') });

export const BENCH_SCHEMAS = {
  benchProfile: benchProfileSchema,
  benchDetect: benchDetectSchema,
  benchCompare: benchCompareSchema,
};

export const benchStepSchema = z.strictObject({
  ...network,
  steps: option(count().default(20), 'timed steps of a run'),
  warmup: option(count().default(3), 'untimed steps before them'),
  rounds: option(count().default(3), 'times that each program runs, in alternating order'),
  ...beside,
  modes: modesOf(PEER_MODES),
  lowPrecision: option(
    z.boolean().default(false),
    'time low precision beside full precision, each at fp32 and bf16; no peer',
  ),
  format: option(z.enum(FORMAT_NAMES).optional(), 'with --low-precision: the format of all numbers', {
    defaultHelp: 'bfp8',
  }),
  ticket: ticketOf('time the ticket of this pruning ratio beside the dense network'),
  roundTo,
  besideLoad: option(
    count(1, 256).optional(),
    'time the step beside as many busy programs too, and compare what they cost this program and the peer',
    { defaultHelp: 'nothing else runs' },
  ),
  ...runtime,
});

export const benchScaleSchema = z.strictObject({
  ...network,
  ranks: option(
    z.array(count(1, 64)).min(1).default([1, 2]).refine(distinct),
    'numbers of ranks, which share the cores',
    'different whole numbers from 1 to 64',
    { identity: false },
  ),
  steps: option(count().default(10), 'timed steps of a run'),
  warmup: option(count().default(2), 'untimed steps before them'),
  rounds: option(count().default(3), 'times that each program runs, in alternating order'),
  ...beside,
  syncBn: ranks.syncBn,
  gradientDtype: ranks.gradientDtype,
  single: option(z.boolean().default(false), 'one run of one rank, in this process', { hidden: true }),
  ...runtime,
});

export const benchLoaderSchema = z.strictObject({
  data: option(folder().min(1), 'folder of JPEG files, searched to its depths, or of shards (required)'),
  packed: option(folder().min(1).optional(), 'shards of the same images, timed as well'),
  cached: option(folder().min(1).optional(), 'the same images by data pack --cache yuv, timed as well'),
  workers: option(count(1, 1024).optional(), 'decoding threads of the runs on many cores', {
    defaultHelp: 'all cores',
  }),
  passes: option(count().default(3), 'timed passes over the images, after an untimed one'),
  rounds: option(count().default(3), 'times that each program runs, in alternating order'),
  batchSize: option(count().default(64), 'images of a batch'),
  imageSize: option(count(32).default(224), 'side of the network input, pixels; the peer knows 224'),
  ...beside,
  modes: modesOf(LOADER_MODES),
  single: option(z.boolean().default(false), 'one run of this program, in this process', { hidden: true }),
  seed: runtime.seed,
});

export const benchKernelsSchema = z.strictObject({
  bits: option(count(2, 22).optional(), 'word length of the quantiser of block floating point', { defaultHelp: '8' }),
  format: option(z.enum(FORMAT_NAMES).default('bfp8'), 'the quantiser of another format, without a peer'),
  repetitions: option(count().default(20), 'timed calls of each kernel'),
  rounds: option(count().default(3), 'times that each program runs, in alternating order'),
  ...beside,
  modes: modesOf(QUANTISER_MODES),
  device: runtime.device,
  noCuda: runtime.noCuda,
  threads: runtime.threads,
});
