/** The recipe of `bench energy`: the settings of all rows, and the choice of rows. */
import { z } from 'zod';
import { dataset } from './fields/data';
import { model } from './fields/network';
import { lowPrecision } from './fields/precision';
import { precisionSchedule } from './fields/precision-schedule';
import { checkpoints, energy, files, runtime } from './fields/runtime';
import { cutting, detector } from './fields/ticket';
import { training } from './fields/training';
import { count, distinct, nonNegative, option, positive } from './option';

/** Methods that are compared by default. */
const USUAL_METHODS = ['dense', 'lt', 'ns', 'eb-reinit', 'eb-ff', 'eb-lf', 'eb-ll'] as const;
const ENERGY_METHODS = [...USUAL_METHODS, 'sfp', 'snip', 'thinet'] as const;
export type EnergyMethod = (typeof ENERGY_METHODS)[number];

/** Every row is a run of its own, so report, averaging and step timing are left to the commands that make it up. */
const { report, swa, swaStart, ...rowTraining } = training;
const { measure, ...rowCutting } = cutting;
const { seed, ...rowRuntime } = runtime;

export const benchEnergySchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...rowTraining,
  methods: option(
    z
      .array(z.enum(ENERGY_METHODS))
      .min(1)
      .default([...USUAL_METHODS])
      .refine(distinct),
    'what is compared: dense training, one-shot lottery ticket, network slimming, EB Train with new weights, and EB Train in full and low precision (eb-lf: search low, retraining full); and soft filter pruning, SNIP by channels, and ThiNet in one shot',
    `different ones of ${ENERGY_METHODS.join(', ')}`,
  ),
  baseline: option(z.enum(ENERGY_METHODS).default('dense'), 'method that the others are compared with'),
  ratios: detector.ratios,
  seeds: option(
    z.array(count(0)).min(1).default([1]).refine(distinct),
    'seeds; every row is run once for each',
    'different whole numbers, 0 or more',
  ),
  ...lowPrecision('8, in the low-precision stages of eb-lf and eb-ll'),
  ...precisionSchedule,
  detectorWindow: detector.detectorWindow,
  detectorThreshold: detector.detectorThreshold,
  detectorRule: detector.detectorRule,
  ...rowCutting,
  ...checkpoints('none'),
  carbon: option(nonNegative().optional(), 'grams of CO2 for a kWh where this runs; adds a table of grams', {
    defaultHelp: 'no such table',
  }),
  dryRun: option(z.boolean().default(false), 'print the plan and run nothing'),
  imagesPerSecond: option(
    positive().optional(),
    '--dry-run: training speed of the dense network to estimate times with, where no finished row has it; "bench step" measures it',
  ),
  assumeEpoch: option(
    z.array(count()).min(1).optional(),
    '--dry-run: epochs before a ticket is drawn, where no finished row tells; one number, or one for each of --ratios',
    'whole numbers, 1 or more',
    { defaultHelp: 'an eighth of --epochs' },
  ),
  assumeFlops: option(
    z.array(z.number().positive().max(1)).min(1).optional(),
    "--dry-run: a ticket's share of the dense network's forward FLOPs, where no finished row tells; one number, or one for each of --ratios",
    'numbers above 0, at most 1',
    { defaultHelp: 'those of a ticket that keeps 1 - p of every layer' },
  ),
  ...energy,
  ...rowRuntime,
});
