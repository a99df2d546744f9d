/** Schedules of precision as data: the options of each, and their defaults. */
export const SCHEDULES = ['static', 'cpt', 'pfq', 'mask'] as const;
/** The name of a schedule. */
export type ScheduleName = (typeof SCHEDULES)[number];

/** Entries of a recipe for schedules. */
export interface ScheduleOptions {
  precisionSchedule?: ScheduleName | undefined;
  /** Names of the rungs below the formats of the recipe, from coarse to fine. */
  precisionLadder?: (number | string)[] | undefined;
  precisionCycles?: number | undefined;
  precisionThreshold?: number | undefined;
  precisionDecay?: number | undefined;
}

interface ScheduleData {
  options: readonly (keyof ScheduleOptions)[];
  /** Bits of the lowest rung, where the recipe has no ladder. */
  lowest: number;
  /** Bits of the rungs above it, where the recipe has no ladder. */
  between: 'all' | readonly number[];
  /** Defaults for entries that the recipe leaves open. */
  threshold?: number;
  decay?: number;
}

/** Schedules with the defaults of the sources that the files of train/precision/ cite. */
export const SCHEDULE_DATA: Record<Exclude<ScheduleName, 'static'>, ScheduleData> = {
  cpt: { options: ['precisionLadder', 'precisionCycles'], lowest: 3, between: 'all' },
  pfq: {
    options: ['precisionLadder', 'precisionThreshold', 'precisionDecay'],
    lowest: 3,
    between: [4, 6],
    threshold: 0.15,
    decay: 0.4,
  },
  mask: { options: ['precisionLadder', 'precisionThreshold'], lowest: 4, between: 'all', threshold: 0.1 },
};

export const SCHEDULE_KEYS = [
  'precisionSchedule',
  'precisionLadder',
  'precisionCycles',
  'precisionThreshold',
  'precisionDecay',
] as const satisfies (keyof ScheduleOptions)[];

export const isScheduled = ({ precisionSchedule = 'static' }: ScheduleOptions): boolean =>
  precisionSchedule !== 'static';

/** An option that is given although the schedule does not use it. */
export function idleScheduleOption(recipe: ScheduleOptions): keyof ScheduleOptions | undefined {
  const { precisionSchedule: name = 'static' } = recipe;
  const own = name === 'static' ? [] : SCHEDULE_DATA[name].options;
  return SCHEDULE_KEYS.find((key) => key !== 'precisionSchedule' && recipe[key] !== undefined && !own.includes(key));
}
