/** The round loop of all benchmarks: programs take turns, and one that fails is left out of the rounds that follow. */
import { alternating, smallest } from '../measure';
import type { RunOptions } from '../run/observer';

/** The name of this program in results. */
export const OURS = 'earlybird';

/** One run of one program in every round. Several turns may be of one system. */
interface Turn<R> {
  system: string;
  /** Says what the run gave, for the log. */
  text(result: R): string;
  run(round: number): Promise<R>;
  /** A peer that fails is left out; without this, the benchmark fails. */
  isPeer?: boolean;
}

export interface Runs<R> {
  runs: R[];
  /** Why there are no more runs. */
  failure?: string;
}

/** The results of each system, in the order of its runs. */
export async function takeTurns<R>(
  turns: readonly Turn<R>[],
  rounds: number,
  { observer, signal }: RunOptions = {},
): Promise<Record<string, Runs<R>>> {
  const results: Record<string, Runs<R>> = Object.fromEntries(turns.map(({ system }) => [system, { runs: [] }]));
  for (let round = 0; round < rounds; round++) {
    for (const { system, text, run, isPeer = false } of alternating(turns, round)) {
      const result = results[system]!;
      if (result.failure !== undefined) continue;
      try {
        const record = await run(round);
        result.runs.push(record);
        observer?.log?.(`round ${round + 1}/${rounds} ${system}: ${text(record)}`);
      } catch (error) {
        if (!isPeer || signal?.aborted) throw error;
        result.failure = (error as Error).message;
        observer?.log?.(`${system}: ${result.failure}`);
      }
    }
  }
  return results;
}

/** The smallest ratio over the peer's modes but reference: against the best that the peer can do. */
export function overBest(ratios: Record<string, number | null>): number | null {
  return smallest(Object.entries(ratios).flatMap(([mode, ratio]) => (mode === 'reference' ? [] : [ratio])));
}
