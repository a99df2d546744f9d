/** Estimates the bit operations of epochs that have not been run, for plans. */
import type { Precision } from '../native/types/pass';
import type { MultiplyAdds } from '../network/bit-operations';
import { formatsOf, type PrecisionOptions } from '../recipe/precision';
import { isScheduled, type ScheduleOptions } from '../recipe/precision-schedules';
import { epochArithmetic } from '../train/precision/follow';

interface PlannedNetwork {
  /** Multiply-adds of a forward pass of one image; null where unknown. */
  adds: MultiplyAdds | null;
  /** Number of training images of an epoch. */
  images: number | null;
}

export const NO_SCHEDULED_BITS =
  'Bit operations unknown: a --precision-schedule chooses the formats of each epoch while it runs.';

/**
 * 1e9 bit operations of one epoch; null where the network is unknown, and under a schedule, which chooses formats
 * during the run.
 */
export function plannedGbitops(
  { adds, images }: PlannedNetwork,
  options: PrecisionOptions & ScheduleOptions & { precision: 'auto' | Precision },
): number | null {
  if (adds === null || images === null || isScheduled(options)) return null;
  return epochArithmetic(adds, images, { formats: formatsOf(options), precision: options.precision }).gbitops;
}

/** The multiply-adds of a smaller network that has this share of them. */
export const scaledAdds = ({ first, inner, linear }: MultiplyAdds, share: number): MultiplyAdds => ({
  first: share * first,
  inner: share * inner,
  linear: share * linear,
});
