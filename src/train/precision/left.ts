/** Determines the schedule of a retraining from that of `train`. */
import type { NumberFormats } from '../../native/types/number-formats';
import { scheduleOf } from '../../recipe/chosen-precision-schedule';
import { formatsOf, type PrecisionOptions } from '../../recipe/precision';
import type { ScheduleOptions } from '../../recipe/precision-schedules';
import type { EpochMetrics } from '../../run/metrics';

/**
 * The entries of the retraining: `cpt` continues by the index of the epoch, `pfq` on the rung that the search had
 * reached (new weights begin on the lowest), and after `mask` the formats are the recipe's. `lines`: epochs of the
 * search up to the draw of the ticket.
 */
export function scheduleLeft(
  recipe: PrecisionOptions & ScheduleOptions & { epochs: number; fromScratch: boolean },
  lines: readonly EpochMetrics[],
): ScheduleOptions {
  const { precisionSchedule, precisionLadder, precisionCycles } = recipe;
  const chosen = scheduleOf(recipe, formatsOf(recipe) as NumberFormats);
  if (!chosen || precisionSchedule === 'mask') return { precisionSchedule: 'static' };
  if (precisionSchedule === 'cpt') return { precisionSchedule, precisionLadder, precisionCycles };
  const { ladder, threshold, decay } = chosen;
  const last = ladder.findIndex(({ name }) => name === lines.at(-1)?.arithmetic?.forward);
  const reached = recipe.fromScratch ? 0 : Math.max(0, last);
  const left = ladder.slice(reached, -1).map(({ name }) => name);
  if (left.length === 0) return { precisionSchedule: 'static' };
  const precisionThreshold = threshold * decay ** reached;
  return { precisionSchedule, precisionLadder: left, precisionThreshold, precisionDecay: decay };
}
