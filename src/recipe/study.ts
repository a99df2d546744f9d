/** The recipe of `study`: tickets drawn at many epochs and their controls, over ratios and seeds. */
import { z } from 'zod';
import { dataset } from './fields/data';
import { model } from './fields/network';
import { lowPrecision } from './fields/precision';
import { precisionSchedule } from './fields/precision-schedule';
import { energy, files, runtime } from './fields/runtime';
import { cutting, detector } from './fields/ticket';
import { training } from './fields/training';
import { count, distinct, folder, hidden, option, positive } from './option';

/** Draws that depend on the search; a whole number stands for the draw after that many epochs. */
const NAMED_DRAWS = ['emergence', '2x-emergence', 'lr-drops', 'best', 'last'] as const;
const CONTROLS = ['random', 'shuffled', 'reinit', 'rewind', 'uniform', 'magnitude-at-init', 'late'] as const;
export type Control = (typeof CONTROLS)[number];

const { report, swa, swaStart, ...rowTraining } = training;
const { measure, protective, ...rowCutting } = cutting;
const { seed, ...rowRuntime } = runtime;

const draw = z.union([z.number().int().min(0), z.enum(NAMED_DRAWS)]);
const DRAWS = `different ones of ${NAMED_DRAWS.join(', ')} and whole numbers`;

export const studySchema = z.strictObject({
  ...files,
  save: option(folder().min(1).default('./runs/study'), 'folder of the study; created if missing', {
    group: 'Common',
    identity: false,
  }),
  ...dataset('cifar10'),
  ...model,
  ...rowTraining,
  ...lowPrecision(),
  ...precisionSchedule,
  ratios: detector.ratios,
  seeds: option(
    z.array(count(0)).min(1).default([1, 2, 3]).refine(distinct),
    'seeds; every run is done once for each, and intervals are over them',
    'different whole numbers, 0 or more',
    { group: 'Common' },
  ),
  draws: option(
    z
      .array(draw)
      .min(1)
      .default([0, 1, 2, 4, 8, ...NAMED_DRAWS])
      .refine(distinct),
    'epochs after which tickets are drawn and retrained; best is the epoch of the best test accuracy',
    DRAWS,
    { group: 'Ticket' },
  ),
  controls: option(
    z
      .array(z.enum(CONTROLS).or(z.literal('none')))
      .min(1)
      .default([...CONTROLS])
      .refine((list) => distinct(list) && (!list.includes('none') || list.length === 1)),
    'what tickets are compared with (docs/study.md#controls)',
    `different ones of ${CONTROLS.join(', ')}, or none`,
    { group: 'Ticket' },
  ),
  controlDraws: option(
    z.array(draw).default(['emergence', 'last']).refine(distinct),
    'draws that have controls; they are drawn in any case',
    DRAWS,
    { group: 'Ticket' },
  ),
  margin: option(positive().default(0.5), 'points of top-1 within which two means count as equivalent', {
    identity: false,
  }),
  detectorWindow: detector.detectorWindow,
  detectorThreshold: detector.detectorThreshold,
  detectorRule: detector.detectorRule,
  ...rowCutting,
  jobs: option(count(1, 256).default(1), 'runs at once, each a process with its share of the threads', {
    group: 'Machine',
    identity: false,
  }),
  shard: option(
    z
      .string()
      .regex(/^[1-9]\d*\/[1-9]\d*$/)
      .refine((shard) => {
        const [part, of] = shard.split('/').map(Number) as [number, number];
        return part <= of;
      })
      .optional(),
    'do part I of N, for N machines; --merge joins them',
    'a part such as 1/3, of 1/3 to 3/3',
    { group: 'Machine', identity: false, defaultHelp: 'all' },
  ),
  merge: option(
    z.array(folder().min(1)).min(1).optional(),
    'run nothing: join the studies in these folders into --save',
    'folders of studies',
    { group: 'Output', identity: false, defaultHelp: 'none' },
  ),
  dryRun: option(z.boolean().default(false), 'print the plan and run nothing', { identity: false }),
  imagesPerSecond: option(
    positive().optional(),
    '--dry-run: training speed of the dense network, where no run on disk tells; "bench step" measures it',
    { identity: false },
  ),
  assumeEmergence: option(count().optional(), '--dry-run: epochs after which tickets emerge, where no search tells', {
    identity: false,
    defaultHelp: 'an eighth of --epochs',
  }),
  only: hidden(option(z.string().min(1).optional(), 'one part of a study, for --jobs', 'a key', { identity: false })),
  ...energy,
  ...rowRuntime,
});
