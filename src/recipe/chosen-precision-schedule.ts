/** The schedule that a recipe asks for, with the ladder of its formats. */
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';
import { ladderText, type Rung, rungsOf } from './ladder';
import { SCHEDULE_DATA, type ScheduleName, type ScheduleOptions } from './precision-schedules';

/** Number of epochs in a cycle of `cpt`, where --precision-cycles gives no number of cycles. */
const CYCLE = 5;

/** A schedule with all of its options. */
export interface ChosenSchedule {
  name: ScheduleName;
  /** Rungs from coarse to fine; the last one has the recipe's formats. */
  ladder: Rung[];
  cycles: number;
  threshold: number;
  decay: number;
}

/**
 * The schedule of a recipe with these formats; undefined where formats do not change. Throws ERR_RECIPE where there is
 * no lower format to begin with.
 */
export function scheduleOf(
  recipe: ScheduleOptions & { epochs: number },
  formats: NumberFormats | undefined,
): ChosenSchedule | undefined {
  const { precisionSchedule: name = 'static', precisionLadder: given, epochs } = recipe;
  if (name === 'static') return undefined;
  if (!formats) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--precision-schedule ${name} needs low precision: give --format, or the --wl options.`,
    );
  }
  const { lowest, between, threshold = 0, decay = 1 } = SCHEDULE_DATA[name];
  const isIn = (bits: number) => lowest <= bits && (between === 'all' || [lowest, ...between].includes(bits));
  const ladder = rungsOf(formats, given?.map(String) ?? { isIn });
  if (ladder.length < 2) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--precision-schedule ${name} has no rung below ${ladderText(ladder)}: give a --precision-ladder, or larger formats.`,
    );
  }
  const { precisionCycles: cycles = Math.max(1, Math.round(epochs / CYCLE)) } = recipe;
  const { precisionThreshold = threshold, precisionDecay = decay } = recipe;
  return { name, ladder, cycles, threshold: precisionThreshold, decay: precisionDecay };
}
