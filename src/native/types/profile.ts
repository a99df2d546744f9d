import type { EpochOptions, PassResult } from './pass';

/** Options of {@link NativeTrainer.profile}. */
export interface ProfileOptions extends EpochOptions {
  steps: number;
}

/** All calls of one name in the profiled steps. */
export interface KernelUse {
  name: string;
  calls: number;
  /** Time of the kernel, or of the operator without the operators that it calls. */
  milliseconds: number;
}

/** Sums over all profiled steps. Times are milliseconds. */
export interface StepProfile {
  /**
   * Source of the figures. kernels: on the GPU. operators: on the host, for a CPU or a GPU without a profiler (CUPTI).
   */
  source: 'kernels' | 'operators';
  /** Kernels or operators, those with the longest time first. */
  kernels: KernelUse[];
  /** Host calls that start GPU work: kernels, graphs, copies. 0 on a CPU. */
  launches: number;
  /**
   * Time span. kernels: from the start of the first to the end of the last. operators: wall-clock time of the steps.
   */
  span: number;
  /** Part of the span in which at least one kernel or operator ran. */
  busy: number;
  /** Number of idle gaps of the GPU; 0 for operators. */
  gaps: number;
  longestGap: number;
  pass: PassResult;
}
