/** The interface of all schedules of precision: a pure rule for the formats of an epoch's forward passes. */

/** History of a training when an epoch begins. */
export interface Seen {
  epoch: number;
  /** Number of epochs of the whole training. */
  epochs: number;
  /** Rung of the epoch before; null in the first one. */
  rung: number | null;
  /** Training loss of each epoch, oldest first. */
  losses: readonly number[];
  /**
   * Largest distance over the watched ratios between the newest mask and that of an epoch before; null until both are
   * known (watch.ts).
   */
  distance: number | null;
  /** True where every watched ratio has its ticket. */
  drawn: boolean;
}

export interface ScheduleSettings {
  /** Index of the highest rung of the ladder, which has the formats of the recipe. The lowest is 0. */
  top: number;
  cycles: number;
  threshold: number;
  decay: number;
}

/** Returns the rung of an epoch. */
export type Schedule = (seen: Seen, settings: ScheduleSettings) => number;
