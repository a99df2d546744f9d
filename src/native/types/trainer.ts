import type { StateDict, TensorData } from '../../tensor';
import type { NativeHandle } from './handle';
import type { EpochOptions, PassResult, Precision } from './pass';
import type { ProfileOptions, StepProfile } from './profile';

export interface TrainerOptions {
  momentum: number;
  weightDecay: number;
  /** Strength s of the L1 subgradient on BN gammas; 0 switches it off. */
  l1: number;
  precision: Precision;
  /** Keys shuffling and augmentation, with the epoch. */
  seed: number;
  /** Full batches are replays of a recorded step, on devices that can (default); false: all steps are eager. */
  capture?: boolean;
}

export interface NativeTrainer extends NativeHandle {
  epoch(options: EpochOptions): Promise<PassResult>;
  /** As epoch, under a profiler: where the time of its steps goes. */
  profile(options: ProfileOptions): Promise<StepProfile>;
  /** One step on given, already normalised images: for tests and parity. Gradients are those before the L1 term. */
  step(options: { images: TensorData; labels: Int32Array; lr: number; gradients?: boolean }): Promise<StepResult>;
  /** A consistent copy of weights and momentum on the host, contiguous NCHW. Keys of momentum are parameter keys. */
  snapshot(): Promise<{ state: StateDict; momentum: StateDict }>;
  restoreMomentum(momentum: StateDict): Promise<void>;
}

export interface StepResult {
  loss: number;
  correct: number;
  gradients?: StateDict;
}
