import type { StateDict, TensorData } from '../../tensor';
import type { NativeHandle } from './handle';
import type { EpochOptions, EpochPosition, PassResult, Precision } from './pass';
import type { ProfileOptions, StepProfile } from './profile';

/** Options of {@link NativeAddon.createTrainer}. */
export interface TrainerOptions {
  momentum: number;
  weightDecay: number;
  /** Factor s of the L1 subgradient on BatchNorm gammas; 0 switches it off. */
  l1: number;
  precision: Precision;
  /** Seed, on which with the epoch shuffling and augmentation depend. */
  seed: number;
  /** True (default) where full batches replay a recorded step, on devices that can; false where every step is eager. */
  capture?: boolean;
}

/** SGD with momentum, weight decay and an L1 term on BatchNorm gammas. */
export interface NativeTrainer extends NativeHandle {
  /**
   * Trains one epoch, or a part of one. The result covers all its steps, including those before the part. ERR_NUMERIC
   * where the loss, or a tensor in low precision, is infinite or NaN.
   */
  epoch(options: EpochOptions): Promise<PassResult>;
  /** Position at which the latest `epoch` ended, also when it was aborted. ERR_NUMERIC as there. */
  position(): Promise<EpochPosition>;
  /** Trains `steps` steps under a profiler. */
  profile(options: ProfileOptions): Promise<StepProfile>;
  /** Trains one step on normalised images, for tests. Gradients are those before the L1 term. */
  step(options: { images: TensorData; labels: Int32Array; lr: number; gradients?: boolean }): Promise<StepResult>;
  /** A consistent copy of weights and momentum on the host, contiguous NCHW. The keys of momentum are those of parameters. */
  snapshot(): Promise<{ state: StateDict; momentum: StateDict }>;
  /** Takes momentum. ERR_CHECKPOINT where it does not fit the model. */
  restoreMomentum(momentum: StateDict): Promise<void>;
  /** Gives every rank of the model the momentum of rank 0. Does nothing without ranks. */
  share(): Promise<void>;
}

/** Result of {@link NativeTrainer.step}. */
export interface StepResult {
  loss: number;
  /** Number of images classified correctly. */
  correct: number;
  gradients?: StateDict;
}
