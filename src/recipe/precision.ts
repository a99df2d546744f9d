/** Low precision: the word lengths that a recipe asks for, those that a checkpoint carries, and the paper's names for both stages. */
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';

/** The options as a recipe has them; absent: not said. */
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
type WordLengthKey = 'wlWeight' | 'wlActivate' | 'wlGrad' | 'wlError' | 'wlMomentum';

export const WORD_LENGTHS = ['wlWeight', 'wlActivate', 'wlGrad', 'wlError', 'wlMomentum'] as const;
const everywhere = (bits: number) =>
  Object.fromEntries(WORD_LENGTHS.map((key) => [key, bits])) as Record<WordLengthKey, number>;

/** What is meant by low precision where nobody says more. */
export const EIGHT_BITS = everywhere(8);

/** Said with flags, so that a retraining in full precision does not take the word lengths of its ticket. */
export const FULL_PRECISION = everywhere(-1);

const STANDARD: Complete = { ...FULL_PRECISION, rounding: 'stochastic', bfpFlavour: 'qtorch', nonFinite: 'error' };

/** Every option: as given, else as the checkpoint says, else the default. */
export function precisionOptions(given: PrecisionOptions, said?: NumberFormats): Complete {
  const from: PrecisionOptions = said
    ? {
        wlWeight: said.weight,
        wlActivate: said.activate,
        wlGrad: said.grad,
        wlError: said.error,
        wlMomentum: said.momentum,
        rounding: said.rounding,
        bfpFlavour: said.flavour,
      }
    : {};
  const entries = Object.entries(STANDARD).map(([name, standard]) => {
    const key = name as keyof Complete;
    return [key, given[key] ?? from[key] ?? standard];
  });
  return Object.fromEntries(entries) as Complete;
}

/** The formats of a recipe, or undefined for full precision: every word length is -1. */
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

/** Options that decide nothing in full precision: they must not tell two equal runs apart. */
export const PRECISION_KEYS: readonly string[] = [...Object.keys(STANDARD), 'testRounding', 'variant'];

// --- as a checkpoint carries them

export const FIELDS = ['weight', 'activate', 'grad', 'error', 'momentum'] as const;

/** For people: "weight 8, activate 8, grad 8, error 8, momentum -1, stochastic (qtorch)". */
export function formatsText(formats: NumberFormats): string {
  const { rounding, flavour = 'qtorch' } = formats;
  return `${FIELDS.map((field) => `${field} ${formats[field]}`).join(', ')}, ${rounding} (${flavour})`;
}

/** For the title of a figure: "8 bits", or "low precision" where word lengths differ. */
export function lengthsText(formats: NumberFormats): string {
  const same = FIELDS.every((field) => formats[field] === formats.weight);
  return same ? `${formats.weight} bits` : 'low precision';
}

// --- the variants of EB Train (paper section 4): first letter the search, second the retraining, full or low precision

export const VARIANTS = ['ff', 'lf', 'll'] as const;
type Variant = (typeof VARIANTS)[number];

/** Fills in the variant, or the word lengths that it leaves open: 8 bits. Throws ERR_RECIPE where the two contradict each other. */
export function settleVariant(recipe: PrecisionOptions & { variant?: Variant | undefined }): void {
  const low = formatsOf(recipe) !== undefined;
  recipe.variant ??= low ? 'll' : 'ff';
  if (recipe.variant === 'ff') {
    if (!low) return;
    throw new EarlybirdError(
      'ERR_RECIPE',
      '--variant ff is full precision in both stages: leave out the --wl options (and a low-precision --preset), or give lf or ll.',
    );
  }
  if (low) return;
  if (WORD_LENGTHS.some((key) => recipe[key] !== undefined)) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--variant ${recipe.variant} needs low precision, but every --wl option is -1: give word lengths, or leave them out for 8 bits.`,
    );
  }
  Object.assign(recipe, EIGHT_BITS);
}
