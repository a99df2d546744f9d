/** The paper's names for the precision of both stages. */
import { EarlybirdError } from '../errors';
import { EIGHT_BITS, formatsOf, type PrecisionOptions, saysFormats } from './precision';
import { isScheduled, type ScheduleOptions } from './precision-schedules';

/**
 * The variants of EB Train (paper section 4). The first letter stands for the search, the second for the retraining:
 * full or low precision.
 */
export const VARIANTS = ['ff', 'lf', 'll'] as const;
type Variant = (typeof VARIANTS)[number];

/**
 * Settles the variant; one of low precision sets the word lengths that the recipe leaves open to 8 bits. Throws
 * ERR_RECIPE where recipe and variant contradict each other.
 */
export function settleVariant(
  recipe: PrecisionOptions & ScheduleOptions & { variant?: Variant | undefined },
): PrecisionOptions & { variant: Variant } {
  const low = formatsOf(recipe) !== undefined;
  const { variant = low || isScheduled(recipe) ? 'll' : 'ff' } = recipe;
  if (variant === 'ff' && low) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      '--variant ff is full precision in both stages: leave out --format and the --wl options (and a low-precision --preset), or give lf or ll.',
    );
  }
  if (variant === 'ff' || low) return { variant };
  if (saysFormats(recipe)) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--variant ${variant} needs low precision, but every format is full precision: give --format, or leave it and the --wl options out for 8 bits.`,
    );
  }
  return { variant, ...EIGHT_BITS };
}
