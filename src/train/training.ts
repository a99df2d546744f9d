/** What the training loop takes and gives. */
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
  /** Low precision: another rounding while testing. */
  testRounding?: Rounding | undefined;
  seed: number;
  /** Soft filter pruning after each epoch: the share of filters; 0 is off. */
  softPrune?: number;
  keepCheckpoints: string;
  checkpointEvery?: number | undefined;
  maskEvery?: number | undefined;
}

export interface TrainingRun extends RunOptions {
  /** Shown with progress: "search", "retrain". */
  phase: string;
  directory: RunDirectory;
  model: NativeModel;
  trainer: NativeTrainer;
  data: { train: NativeDataset; test: NativeDataset } & Partial<Pick<Session, 'reportBad'>>;
  energy: RunMeter;
  settings: TrainingSettings;
  network: ModelInfo;
  identityHash: string;
  /** Draw masks and look for tickets; absent in retraining. */
  detection?: { ratios: number[]; watch: TicketWatch; stopAtTicket: boolean; drawing: Drawing };
  /** Average the weights (--swa). */
  averaging?: Averaging | undefined;
  /** Formats that change between epochs (--precision-schedule). */
  precision?: PrecisionWatch | undefined;
  /** Of the network. */
  adds: MultiplyAdds;
  start: TrainingStart;
}

/** The first epoch to run, and the state that a checkpoint restored. */
export interface TrainingStart {
  completed: number;
  best: number;
  metrics: EpochMetrics[];
  /** Where that epoch has begun already. */
  inside?: InsideEpoch | undefined;
}

export interface TrainingOutcome {
  completed: number;
  metrics: EpochMetrics[];
  /** Best exact test top-1 (chosen on the test set, as the reference does), percent. */
  best: number;
  tickets: Ticket[];
}
