/** Types of the arguments and results of the training loop. */
import type { RunMeter } from '../energy/meter';
import type { Session } from '../engine/session';
import type { NativeDataset } from '../native/types/dataset';
import type { NativeModel } from '../native/types/model';
import type { Rounding } from '../native/types/number-formats';
import type { Precision } from '../native/types/pass';
import type { NativeTrainer } from '../native/types/trainer';
import type { MultiplyAdds } from '../network/bit-operations';
import type { Drawing } from '../prune/draw';
import type { ModelInfo } from '../run/checkpoint-network';
import type { RunDirectory } from '../run/directory';
import type { InsideEpoch } from '../run/inside-epoch';
import type { EpochMetrics } from '../run/metrics';
import type { RunOptions } from '../run/observer';
import type { Ticket, TicketWatch } from '../ticket/watch';
import type { Averaging } from './averaging';
import type { PrecisionWatch } from './precision/watch';

interface TrainingSettings {
  epochs: number;
  lr: number;
  schedule: number[];
  momentum: number;
  weightDecay: number;
  batchSize: number;
  testBatchSize: number;
  precision: Precision;
  capture?: boolean;
  /** Rounding of low precision in tests, where it differs from training. */
  testRounding?: Rounding | undefined;
  seed: number;
  /** Share of the filters for soft filter pruning after each epoch; 0 is off. */
  softPrune?: number;
  keepCheckpoints: string;
  checkpointEvery?: number | undefined;
  maskEvery?: number | undefined;
}

export interface TrainingRun extends RunOptions {
  /** Name of the phase, shown with progress: "search", "retrain". */
  phase: string;
  directory: RunDirectory;
  model: NativeModel;
  trainer: NativeTrainer;
  data: { train: NativeDataset; test: NativeDataset } & Partial<Pick<Session, 'reportBad'>>;
  energy: RunMeter;
  settings: TrainingSettings;
  network: ModelInfo;
  identityHash: string;
  /** Settings for drawing masks and looking for tickets; absent in retraining. */
  detection?: { ratios: number[]; watch: TicketWatch; stopAtTicket: boolean; drawing: Drawing };
  /** Average of the weights (--swa). */
  averaging?: Averaging | undefined;
  /** Schedule of formats that change between epochs (--precision-schedule). */
  precision?: PrecisionWatch | undefined;
  /** Multiply-adds of the network. */
  adds: MultiplyAdds;
  start: TrainingStart;
}

/** First epoch to run, with the state that a checkpoint restored. */
export interface TrainingStart {
  completed: number;
  best: number;
  metrics: EpochMetrics[];
  /** State inside that epoch, where it has already begun. */
  inside?: InsideEpoch | undefined;
}

export interface TrainingOutcome {
  completed: number;
  metrics: EpochMetrics[];
  /** Best exact test top-1, percent, chosen on the test set as in the reference. */
  best: number;
  tickets: Ticket[];
}
