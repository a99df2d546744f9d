/** Block floating point as the addon takes it: low-precision training, one rounding, and what a rounding costs. */

/** Word lengths in bits of low-precision training (spec section 10): 2 to 22, or -1 for full precision. */
export interface WordLengths {
  weight: number;
  activate: number;
  grad: number;
  error: number;
  momentum: number;
}

export type Rounding = 'stochastic' | 'nearest';

export interface NumberFormats extends WordLengths {
  rounding: Rounding;
  /** qtorch (default): the release's quantiser; swalp: SWALP's own. */
  flavour?: 'qtorch' | 'swalp';
  /** What becomes of infinities and NaN: error (default) ends the epoch with ERR_NUMERIC, which names tensor and step. */
  nonFinite?: 'error' | 'propagate';
}

export interface BlockQuantizeOptions {
  bits: number;
  dim: number;
  rounding: Rounding;
  flavour?: 'qtorch' | 'swalp';
  device: string;
  /** Keys the random bits of stochastic rounding. */
  seed: number;
  epoch?: number;
  step?: number;
  lane?: number;
  /** Use the plain twin, by the library's operators. */
  plain?: boolean;
}

export interface BenchKernelsOptions {
  device: string;
  bits: number;
  /** Timed calls of each kernel. */
  repetitions: number;
  signal?: AbortSignal;
}

export interface BenchCeilingsOptions {
  device: string;
  /** Size of the copied tensor. */
  copyBytes: number;
  /** Rows and columns of the multiplied matrices. */
  side: number;
  repetitions: number;
  signal?: AbortSignal;
}

/** Time of one kernel on one shape. `bytes`: each value read once and written once; of a product, its three matrices once each. */
export interface KernelTime {
  kernel: 'copy' | 'quantize' | 'matmul';
  name: string;
  shape: number[];
  bytes: number;
  /** Milliseconds of a call. */
  median: number;
  low: number;
  high: number;
}
