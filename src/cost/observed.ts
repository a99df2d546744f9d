/** Figures of rows on disk, from which a plan estimates the others. */
import { statistic } from '../measure';
import type { RowResult } from './row-results';
import { METHODS, type StageKind } from './rows';

const mean = (values: readonly (number | null)[]) => statistic(values.flatMap((value) => value ?? []))?.mean ?? null;

/** Means over the rows; null where no row has the figure. */
export function observedIn(rows: readonly RowResult[]) {
  const stages = rows.flatMap((row) => row.stages).filter(({ epochs }) => epochs > 0);
  return {
    /** Forward FLOPs of one image in the dense network (null) or in tickets, which precision does not change. */
    forward: (ratio: number | null) => mean(stages.flatMap((stage) => (stage.ratio === ratio ? stage.forward : []))),
    /**
     * Multiply-adds of the same networks, from the first row that counted them, as tickets of one ratio differ little.
     */
    adds: (ratio: number | null) => stages.find((stage) => stage.ratio === ratio && stage.adds)?.adds ?? null,
    /** Seconds, joules and 1e9 bit operations of an epoch. */
    epoch({ ratio, low }: Pick<StageKind, 'ratio' | 'low'>) {
      const alike = stages.filter((stage) => stage.ratio === ratio && stage.low === low);
      const metered = alike.filter(({ finished, energy }) => finished && energy.joules !== null);
      return {
        seconds: mean(alike.map(({ seconds, epochs }) => seconds / epochs)),
        joules: mean(metered.map(({ energy, epochs }) => energy.joules! / epochs)),
        gbitops: mean(alike.map(({ arithmetic, epochs }) => arithmetic && arithmetic.gbitops / epochs)),
      };
    },
    /** Number of epochs before a ticket was drawn, in a search of this precision. */
    drawn: (ratio: number, low: boolean) =>
      mean(
        rows.map((row) => (row.ratio === ratio && METHODS[row.method].earlyBird?.search === low ? row.drawn : null)),
      ),
  };
}
