import type { Progress } from '../native/types/pass';
import type { Ranks } from '../ranks/ranks';
import type { EpochMetrics } from './metrics';

/** Callbacks of a running experiment, each optional. */
export interface Observer {
  /** Takes one line for the log. */
  log?(line: string): void;
  /** Called when an epoch begins. `phase` names the run, for example "search". */
  epoch?(info: { phase: string; epoch: number; epochs: number; lr: number }): void;
  /** Called at most four times a second while a pass runs; "swa" stands for both passes of the weight average. */
  progress?(pass: 'train' | 'test' | 'swa', progress: Progress): void;
  /** Called when an epoch is complete. */
  metrics?(line: EpochMetrics): void;
}

/** Arguments of every experiment beside its recipe. */
export interface RunOptions {
  observer?: Observer;
  /** Aborting stops within one training step. Completed work stays on disk, and the same call continues from it. */
  signal?: AbortSignal;
  /** True to start over where the run directory holds a finished or a different run. */
  force?: boolean;
  /** Command line that is recorded in params.json. */
  commandLine?: string;
  /** Ranks that compute together, of which this process is rank 0. */
  ranks?: Ranks | undefined;
}
