import type { Progress } from '../native/types/pass';
import type { Ranks } from '../ranks/ranks';
import type { EpochMetrics } from './metrics';

/** Callbacks of a running experiment, each optional. */
export interface Observer {
  /** One line for the log. */
  log?(line: string): void;
  /** An epoch begins. `phase` names the run, for example "search". */
  epoch?(info: { phase: string; epoch: number; epochs: number; lr: number }): void;
  /** At most four times a second, while a pass runs; swa: both passes of the weight average. */
  progress?(pass: 'train' | 'test' | 'swa', progress: Progress): void;
  /** An epoch is complete. */
  metrics?(line: EpochMetrics): void;
}

/** Arguments of every experiment beside its recipe. */
export interface RunOptions {
  observer?: Observer;
  /** Aborting stops within one training step; what was completed stays on disk and is resumed by the same call. */
  signal?: AbortSignal;
  /** Start over where the run directory holds a finished or a different run. */
  force?: boolean;
  /** Recorded in params.json. */
  commandLine?: string;
  /** Those that compute together, of which this process is rank 0. */
  ranks?: Ranks | undefined;
}
