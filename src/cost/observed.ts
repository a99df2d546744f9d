/** What rows on disk tell of rows to come: FLOPs of tickets, drawing epochs, and what an epoch takes. Pure. */

import { statistic } from '../measure';
import type { RowResult, Stage } from './row-results';
import { METHODS } from './rows';

/** A kind of training: of the dense network (null) or of a ticket at a ratio, in full or low precision. */
export interface Kind {
  ratio: number | null;
  low: boolean;
}

export interface Seen {
  /** Forward FLOPs of one image. */
  forward: number | null;
  /** Of an epoch; null where none was run, or none metered. */
  seconds: number | null;
  joules: number | null;
}

interface Observed {
  kind: Kind;
  stage: Stage;
}

const mean = (values: readonly (number | null)[]) => statistic(values.flatMap((value) => value ?? []))?.mean ?? null;

export function seenIn(rows: readonly RowResult[]) {
  const observed = rows.flatMap(({ method, ratio, stages }): Observed[] =>
    stages.map((stage) => {
      const { low } = METHODS[method];
      const kind = {
        ratio: stage.name === 'retrain' ? ratio : null,
        low: low[stage.name === 'search' ? 'search' : 'retrain'],
      };
      return { kind: stage.name === 'dense' ? { ratio: null, low: false } : kind, stage };
    }),
  );
  const of = (matches: (kind: Kind) => boolean) =>
    observed.filter(({ kind, stage }) => matches(kind) && stage.epochs > 0).map(({ stage }) => stage);
  return {
    /** Precision changes no FLOPs. */
    forward: (ratio: number | null) => mean(of((kind) => kind.ratio === ratio).map(({ forward }) => forward)),
    epoch({ ratio, low }: Kind): Omit<Seen, 'forward'> {
      const stages = of((kind) => kind.ratio === ratio && kind.low === low);
      return {
        seconds: mean(stages.map(({ seconds, epochs }) => seconds / epochs)),
        joules: mean(
          stages.map(({ energy, epochs, finished }) =>
            finished && energy.joules !== null ? energy.joules / epochs : null,
          ),
        ),
      };
    },
    /** Epochs before a ticket was drawn, in a search of this precision. */
    drawn: (ratio: number, low: boolean) =>
      mean(rows.map((row) => (row.ratio === ratio && METHODS[row.method].low.search === low ? row.drawn : null))),
  };
}
