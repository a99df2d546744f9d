/** Recipes of the benchmarks that look closer: where a step's time goes, what detection costs, and what to make of results. */
import { z } from 'zod';
import { count, FOLDER, oneOf, option, POSITIVE, positive, SWITCH, wholeNumber } from './option';
import { BENCH_MODELS, runtime } from './recipe-fields';

const network = {
  model: option(z.enum(BENCH_MODELS).default('vgg16'), 'network', oneOf(BENCH_MODELS)),
  batchSize: option(count().default(64), 'images per training step', wholeNumber(), { aliases: ['batch'] }),
};
const quick = option(z.boolean().default(false), 'small sizes, for a look at whether it works', SWITCH);

const benchProfileSchema = z.strictObject({
  ...network,
  steps: option(count().default(10), 'profiled steps, and as many timed without the profiler', wholeNumber()),
  warmup: option(count().default(3), 'steps before them', wholeNumber()),
  top: option(count().default(15), 'kernels to list', wholeNumber()),
  quick,
  ...runtime,
});

const benchDetectSchema = z.strictObject({
  ...network,
  steps: option(count().default(20), 'timed training steps, from which the epoch is reckoned', wholeNumber()),
  warmup: option(count().default(3), 'untimed steps before them', wholeNumber()),
  repetitions: option(count().default(20), 'timed detections', wholeNumber()),
  epochSeconds: option(positive().optional(), 'seconds of a training epoch, where they are known', POSITIVE, {
    defaultHelp: 'measured by --steps',
  }),
  ...runtime,
});

const positional = (what: string) =>
  option(z.array(z.string()).default([]), what, 'paths of files', { positional: true });

const benchCompareSchema = z.strictObject({ files: positional('two results that --json wrote') });

const benchReportSchema = z.strictObject({
  folder: option(z.string().min(1), 'folder of the parts that scripts/bench/gpu.sh wrote (required)', FOLDER),
  out: option(z.string().min(1).optional(), 'folder of the report', FOLDER, { defaultHelp: 'as --folder' }),
});

export const BENCH_SCHEMAS = {
  benchProfile: benchProfileSchema,
  benchDetect: benchDetectSchema,
  benchCompare: benchCompareSchema,
  benchReport: benchReportSchema,
};
