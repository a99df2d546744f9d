/** What all schedules of precision have in common: a pure rule for the formats of an epoch's forward passes. */

/** What a training has shown when an epoch begins. */
export interface Seen {
  epoch: number;
  /** Of the whole training. */
  epochs: number;
  /** Of the epoch before; null in the first one. */
  rung: number | null;
  /** Training loss of each epoch, oldest first. */
  losses: readonly number[];
  /** Over the watched ratios the largest distance of the newest mask to that of an epoch before; null until both tell (watch.ts). */
  distance: number | null;
  /** Every watched ratio has its ticket. */
  drawn: boolean;
}

export interface ScheduleSettings {
  /** The highest rung of the ladder: the formats of the recipe. The lowest is 0. */
  top: number;
  cycles: number;
  threshold: number;
  decay: number;
}

/** The rung of an epoch. */
export type Schedule = (seen: Seen, settings: ScheduleSettings) => number;
