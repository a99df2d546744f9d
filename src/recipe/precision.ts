/** Low precision: the number formats that a recipe asks for, and the paper's names for both stages. */
import { EarlybirdError } from '../errors';
import type { MxFormat } from '../native/types/mx';
import type { NumberFormats } from '../native/types/number-formats';

/** The formats that options name: block floating point of 8 bits, and those of MX and NVFP4. */
export type Format = 'bfp8' | MxFormat;

/** Bits of an element, its share of the scale of its block included; a scale of many thousands of elements counts nothing. */
export const FORMAT_BITS: Record<Format, number> = {
  bfp8: 8,
  mxint8: 8 + 8 / 32,
  'mxfp8-e4m3': 8 + 8 / 32,
  'mxfp8-e5m2': 8 + 8 / 32,
  'mxfp6-e2m3': 6 + 8 / 32,
  'mxfp6-e3m2': 6 + 8 / 32,
  mxfp4: 4 + 8 / 32,
  nvfp4: 4 + 8 / 16,
};

/** The options as a recipe has them. Word lengths in bits; -1 is full precision. Absent ones are left to a checkpoint or the defaults. */
export interface PrecisionOptions {
  wlWeight?: number | undefined;
  wlActivate?: number | undefined;
  wlGrad?: number | undefined;
  wlError?: number | undefined;
  wlMomentum?: number | undefined;
  rounding?: NumberFormats['rounding'] | undefined;
  bfpFlavour?: NumberFormats['flavour'] | undefined;
  nonFinite?: NumberFormats['nonFinite'] | undefined;
}

export type Complete = { [K in keyof PrecisionOptions]-?: NonNullable<PrecisionOptions[K]> };

export const WORD_LENGTHS = ['wlWeight', 'wlActivate', 'wlGrad', 'wlError', 'wlMomentum'] as const;
const everywhere = (bits: number) =>
  Object.fromEntries(WORD_LENGTHS.map((key) => [key, bits])) as Record<(typeof WORD_LENGTHS)[number], number>;

/** The word lengths of a low-precision variant where none is given. */
export const EIGHT_BITS = everywhere(8);

/** Given explicitly, so that a retraining in full precision does not take the word lengths of its ticket. */
export const FULL_PRECISION = everywhere(-1);

const STANDARD: Complete = { ...FULL_PRECISION, rounding: 'stochastic', bfpFlavour: 'qtorch', nonFinite: 'error' };

/** Every option: as given, else from the checkpoint, else the default. */
export function precisionOptions(given: PrecisionOptions, fromCheckpoint?: NumberFormats): Complete {
  const from: PrecisionOptions = fromCheckpoint
    ? {
        wlWeight: fromCheckpoint.weight,
        wlActivate: fromCheckpoint.activate,
        wlGrad: fromCheckpoint.grad,
        wlError: fromCheckpoint.error,
        wlMomentum: fromCheckpoint.momentum,
        rounding: fromCheckpoint.rounding,
        bfpFlavour: fromCheckpoint.flavour,
      }
    : {};
  const entries = Object.entries(STANDARD).map(([name, standard]) => {
    const key = name as keyof Complete;
    return [key, given[key] ?? from[key] ?? standard];
  });
  return Object.fromEntries(entries) as Complete;
}

/** The number formats of a recipe; undefined in full precision, where every word length is -1. */
export function formatsOf(options: PrecisionOptions): NumberFormats | undefined {
  const all = precisionOptions(options);
  if (WORD_LENGTHS.every((key) => all[key] === -1)) return undefined;
  return {
    weight: all.wlWeight,
    activate: all.wlActivate,
    grad: all.wlGrad,
    error: all.wlError,
    momentum: all.wlMomentum,
    rounding: all.rounding,
    flavour: all.bfpFlavour,
    nonFinite: all.nonFinite,
  };
}

/** Options without effect in full precision: they must not tell two equal runs apart. */
export const PRECISION_KEYS: readonly string[] = [...Object.keys(STANDARD), 'testRounding', 'variant'];

/** The word lengths of a format, as checkpoints name them. */
export const FIELDS = ['weight', 'activate', 'grad', 'error', 'momentum'] as const;

/** As text: "weight 8, activate 8, grad 8, error 8, momentum -1, stochastic (qtorch)". */
export function formatsText(formats: NumberFormats): string {
  const { rounding, flavour = 'qtorch' } = formats;
  return `${FIELDS.map((field) => `${field} ${formats[field]}`).join(', ')}, ${rounding} (${flavour})`;
}

/** For the title of a figure: "8 bits", or "low precision" where word lengths differ. */
export function lengthsText(formats: NumberFormats): string {
  const same = FIELDS.every((field) => formats[field] === formats.weight);
  return same ? `${formats.weight} bits` : 'low precision';
}

/** The variants of EB Train (paper section 4): first letter the search, second the retraining, full or low precision. */
export const VARIANTS = ['ff', 'lf', 'll'] as const;
type Variant = (typeof VARIANTS)[number];

/**
 * The variant, and the word lengths that the recipe leaves open where that is of low precision: 8 bits. Throws ERR_RECIPE where the
 * two contradict each other.
 */
export function settleVariant(
  recipe: PrecisionOptions & { variant?: Variant | undefined },
): PrecisionOptions & { variant: Variant } {
  const low = formatsOf(recipe) !== undefined;
  const { variant = low ? 'll' : 'ff' } = recipe;
  if (variant === 'ff' && low) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      '--variant ff is full precision in both stages: leave out the --wl options (and a low-precision --preset), or give lf or ll.',
    );
  }
  if (variant === 'ff' || low) return { variant };
  if (WORD_LENGTHS.some((key) => recipe[key] !== undefined)) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--variant ${variant} needs low precision, but every --wl option is -1: give word lengths, or leave them out for 8 bits.`,
    );
  }
  return { variant, ...EIGHT_BITS };
}
