/**
 * The round loop of all benchmarks: programs run in turns, and one that fails is left out of the rounds that follow.
 */
import { alternating, smallest } from '../measure';
import type { RunOptions } from '../run/observer';

/** The name of this program in results. */
export const OURS = 'earlybird';

/** A program that runs once in every round. Several turns may belong to one system. */
interface Turn<R> {
  system: string;
  /** Result of a run in words, for the log. */
  text(result: R): string;
  run(round: number): Promise<R>;
  /** True for a peer, which is left out once it fails; any other failure ends the benchmark. */
  isPeer?: boolean;
}

export interface Runs<R> {
  runs: R[];
  /** Reason why there are no more runs. */
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

/** The smallest ratio over the peer's modes except reference, which compares with the best that the peer can do. */
export function overBest(ratios: Record<string, number | null>): number | null {
  return smallest(Object.entries(ratios).flatMap(([mode, ratio]) => (mode === 'reference' ? [] : [ratio])));
}
