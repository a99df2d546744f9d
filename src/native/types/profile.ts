/** What a profile of training steps tells: the half of the addon's type that cpp/train/profile stands behind. */
import type { EpochOptions, PassResult } from './pass';

export interface ProfileOptions extends EpochOptions {
  steps: number;
}

/** All calls of one name in the profiled steps. */
export interface KernelUse {
  name: string;
  calls: number;
  /** Of the kernel; of an operator, without the operators it calls. */
  milliseconds: number;
}

/** Sums over all profiled steps. Times are milliseconds. */
export interface StepProfile {
  /** kernels: of the GPU. operators: on the host, which is all there is on a CPU, and on a GPU whose profiler (CUPTI) is not there. */
  source: 'kernels' | 'operators';
  /** Longest first. */
  kernels: KernelUse[];
  /** Calls of the host that put work on the GPU: kernels, whole graphs, copies. 0 on a CPU. */
  launches: number;
  /** kernels: from the begin of the first to the end of the last. operators: wall-clock time of the steps. */
  span: number;
  /** How long of it any of them ran. */
  busy: number;
  /** Times that the GPU was idle in between, and the longest of them. 0 for operators. */
  gaps: number;
  longestGap: number;
  pass: PassResult;
}
