/**
 * Given options that do nothing in their recipe. They are mentioned and not refused, since the reference's scripts give
 * them, and one command line often becomes the next.
 */
import type { z } from 'zod';
import type { NumberFormat, NumberFormats } from '../native/types/number-formats';
import { needsImages } from './fields/ranking';
import { PRUNE_IMAGES } from './identity';
import { flagOf, OPTIONS } from './option';
import {
  EIGHT_BITS,
  FIELDS,
  formatsOf,
  PRECISION_KEYS,
  type PrecisionOptions,
  precisionOptions,
  saysFormats,
} from './precision';
import { type CommandName, SCHEMAS } from './recipe';

/** Entries that decide whether others do something; each command has some of them. */
interface Entries extends PrecisionOptions {
  scratch?: string;
  resume?: string;
  cfg?: unknown;
  sr?: boolean;
  swa?: boolean;
  dataset?: string;
  filter?: string;
  criterion?: string;
  energy?: string;
  dryRun?: boolean;
  ratios?: number[];
  from?: string;
  batchSize?: number;
  testBatchSize?: number;
  controls?: string[];
  methods?: string[];
  ticket?: number;
  lowPrecision?: boolean;
  besideLoad?: number;
  peer?: string;
  epochSeconds?: number;
  measure?: boolean;
  drawing?: boolean;
  device?: string;
  noCuda?: boolean;
  gpuIds?: string;
}

interface Row {
  keys: readonly string[];
  /** Commands that the row is about; all with these keys where it is absent. */
  of?: readonly CommandName[];
  /** What would give the options an effect, as the end of "it needs ...". */
  needs: string;
  isIdle(recipe: Entries, command: CommandName, key: string): boolean;
}

/** Options of low precision that are given beside the formats. */
const BESIDE_FORMATS = ['scale', 'masterWeights', 'rounding', 'bfpFlavour', 'nonFinite', 'testRounding'];

const hasLowMethod = ({ methods = [] }: Entries) => methods.includes('eb-lf') || methods.includes('eb-ll');

/** The formats of a recipe, undefined in full precision; null where a file may say them. */
function formatsIn(recipe: Entries, command: CommandName): NumberFormats | null | undefined {
  if (command === 'benchEnergy')
    return hasLowMethod(recipe) ? formatsOf(saysFormats(recipe) ? recipe : { ...recipe, ...EIGHT_BITS }) : undefined;
  const isAll = ['search', 'train', 'study'].includes(command) || (command === 'retrain' && !recipe.scratch);
  return isAll ? formatsOf(recipe) : null;
}

const isBlock = (format: NumberFormat | undefined) => typeof format === 'number' && format !== -1;

const isOnCpu = ({ device, noCuda, gpuIds }: Entries) =>
  noCuda === true || device === 'cpu' || (device === 'auto' && gpuIds?.startsWith('-') === true);

/** Of several rows about an option the first one counts. */
export const ROWS: readonly Row[] = [
  {
    keys: ['wlWeight', 'wlGrad', 'wlError', 'wlMomentum', 'formatGrad', 'formatError', 'masterWeights'],
    of: ['evaluate'],
    needs: 'a training: a test rounds only what convolutions give out, and weights in MX formats',
    isIdle: (recipe, _, key) => ![-1, 'full'].includes(recipe[key as keyof Entries] as number | string),
  },
  {
    keys: ['formatWeight'],
    of: ['evaluate'],
    needs: 'an MX format: a test rounds weights to no other',
    isIdle: ({ formatWeight }) => formatWeight === 'bfp8',
  },
  {
    keys: PRECISION_KEYS,
    of: ['benchEnergy'],
    needs: 'eb-lf or eb-ll among --methods',
    isIdle: (recipe) => !hasLowMethod(recipe),
  },
  {
    keys: BESIDE_FORMATS,
    needs: 'low precision: --format, or a --wl option',
    isIdle: (recipe, command) => formatsIn(recipe, command) === undefined,
  },
  {
    keys: ['bfpFlavour'],
    needs: 'block floating point: --format bfp8, or a --wl option',
    isIdle: (recipe, command) => {
      const formats = formatsIn(recipe, command);
      return formats !== null && !FIELDS.some((kind) => isBlock(formats?.[kind]));
    },
  },
  {
    keys: ['testRounding'],
    needs: 'outputs of convolutions in block floating point: --format bfp8, or --wl-activate',
    isIdle: (recipe, command) => {
      const formats = formatsIn(recipe, command);
      return formats !== null && !isBlock(formats?.activate);
    },
  },
  {
    keys: ['detectorWindow', 'detectorThreshold', 'detectorRule'],
    of: ['benchEnergy'],
    needs: 'a method of EB Train among --methods',
    isIdle: ({ methods = [] }) => !methods.some((method) => method.startsWith('eb-')),
  },
  { keys: ['s'], needs: '--sparsity-regularization', isIdle: ({ sr }) => sr === false },
  { keys: ['swaStart'], needs: '--swa', isIdle: ({ swa }) => swa === false },
  {
    keys: [...PRUNE_IMAGES, 'data', 'workers', 'maxBad'],
    of: ['prune'],
    needs: '--criterion taylor, snip, grasp or thinet, which look at images',
    isIdle: ({ criterion }) => !needsImages(criterion),
  },
  {
    keys: ['criterionBatches'],
    needs: '--criterion taylor, snip, grasp or thinet, which look at images',
    isIdle: ({ criterion }) => !needsImages(criterion),
  },
  { keys: ['sigma'], needs: '--filter lowpass or highpass', isIdle: ({ filter }) => filter === 'none' },
  {
    keys: ['data', 'maxBad'],
    needs: 'a --dataset that is read from files',
    isIdle: ({ dataset }) => dataset === 'synthetic',
  },
  {
    keys: ['workers'],
    needs: '--dataset imagenet',
    isIdle: ({ dataset }) => dataset !== undefined && dataset !== 'imagenet',
  },
  { keys: ['startEpoch'], needs: '--resume to be left out', isIdle: ({ resume }) => resume !== undefined },
  { keys: ['reinit'], of: ['retrain'], needs: '--scratch', isIdle: ({ scratch }) => scratch === undefined },
  {
    keys: ['testBatchSize'],
    of: ['evaluate'],
    needs: '--batch-size to be left out',
    isIdle: ({ batchSize, testBatchSize }) => batchSize !== undefined && batchSize !== testBatchSize,
  },
  {
    keys: ['scratch'],
    of: ['evaluate'],
    needs: '--cfg to be left out',
    isIdle: ({ resume, cfg }) => resume !== undefined && cfg !== undefined,
  },
  {
    keys: ['percent'],
    of: ['distance'],
    needs: '--ratios to be left out',
    isIdle: ({ ratios }) => ratios !== undefined,
  },
  { keys: ['key'], of: ['distance'], needs: '--from checkpoints', isIdle: ({ from }) => from === 'masks' },
  {
    keys: ['ratios', 'overlap', 'initial'],
    of: ['plot'],
    needs: '--drawing to be left out',
    isIdle: ({ drawing }) => drawing === true,
  },
  { keys: ['batchSize', 'rounds'], of: ['export'], needs: '--measure', isIdle: ({ measure }) => measure === false },
  {
    keys: ['controlDraws'],
    needs: '--controls other than none',
    isIdle: ({ controls }) => controls?.includes('none') === true,
  },
  {
    keys: ['imagesPerSecond', 'assumeEpoch', 'assumeFlops'],
    needs: '--dry-run',
    isIdle: ({ dryRun }) => dryRun === false,
  },
  {
    keys: ['watts', 'idleSeconds'],
    needs: '--energy auto',
    // A plan of bench energy counts watts whether or not the runs are metered.
    isIdle: ({ energy, dryRun }) => energy === 'off' && dryRun !== true,
  },
  {
    keys: ['roundTo'],
    of: ['benchStep', 'benchProfile'],
    needs: '--ticket',
    isIdle: ({ ticket }) => ticket === undefined,
  },
  {
    keys: ['precision', 'modes', 'python', 'timeout'],
    of: ['benchStep'],
    needs: '--low-precision to be left out, which times this program alone in both arithmetics',
    isIdle: ({ lowPrecision }) => lowPrecision === true,
  },
  {
    keys: ['modes', 'python', 'timeout'],
    of: ['benchKernels'],
    needs: '--format bfp8, the only one that the peer has',
    isIdle: ({ format }) => format !== 'bfp8',
  },
  { keys: ['modes', 'python'], needs: '--peer other than none', isIdle: ({ peer }) => peer === 'none' },
  {
    keys: ['timeout'],
    of: ['benchStep', 'benchKernels'],
    needs: '--peer other than none',
    isIdle: ({ peer, besideLoad }) => peer === 'none' && besideLoad === undefined,
  },
  {
    keys: ['steps', 'warmup'],
    of: ['benchDetect'],
    needs: '--epoch-seconds to be left out',
    isIdle: ({ epochSeconds }) => epochSeconds !== undefined,
  },
  {
    keys: ['gpuIds'],
    needs: '--device and --no-cuda to be left out',
    isIdle: ({ device, noCuda }) => device !== undefined && (device !== 'auto' || noCuda === true),
  },
  { keys: ['capture', 'cudnnSearch'], needs: 'a GPU', isIdle: isOnCpu },
];

/**
 * A sentence for each given option that does nothing in the recipe. Passed over are options with the value that they have
 * anyway, as a printed recipe has them all, and those that the help hides, which are there for compatibility alone.
 *
 * @param recipe a validated recipe of the command
 * @param given the entries that the user chose, without those of a preset and the defaults
 */
export function idleNotes(command: CommandName, recipe: object, given: Record<string, unknown>): string[] {
  const shape = SCHEMAS[command].shape as Record<string, z.ZodType>;
  return Object.entries(given).flatMap(([key, value]) => {
    const schema = shape[key]!;
    const info = OPTIONS.get(schema)!;
    if (info.hidden || isStandard(key, schema, value)) return [];
    const row = ROWS.find(
      ({ keys, of, isIdle }) =>
        keys.includes(key) && (of?.includes(command) ?? true) && isIdle(recipe as Entries, command, key),
    );
    return row ? [`note: ${asGiven(flagOf(key, info), value)} does nothing here; it needs ${row.needs}.`] : [];
  });
}

/** Values of low precision in a recipe that gives none. */
const STANDARD = precisionOptions({}) as Record<string, unknown>;

function isStandard(key: string, { def }: z.ZodType, value: unknown): boolean {
  const { defaultValue = STANDARD[key] } = def as { defaultValue?: unknown };
  return JSON.stringify(value) === JSON.stringify(defaultValue);
}

/** An option as on a command line. */
function asGiven(flag: string, value: unknown): string {
  if (typeof value === 'boolean') return `--${value ? '' : 'no-'}${flag}`;
  return `--${flag} ${[value].flat().join(' ')}`;
}
