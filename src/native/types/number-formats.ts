import type { MxFormat, MxRounding, MxScale } from './mx';

/**
 * The format that numbers of one kind are rounded to: block floating point of 2 to 22 bits (docs/reference.md#10), -1
 * for full precision, or, for operands of a convolution's products, an MX format or NVFP4.
 */
export type NumberFormat = number | MxFormat;

/** The formats of low-precision training by kind. In MX `error` and `grad` are the gradient of an output, as operand of the gradient of the
 * input and of that of the weight; in block floating point `grad` is the gradient of the weight. */
export interface FormatsByKind {
  weight: NumberFormat;
  activate: NumberFormat;
  grad: NumberFormat;
  error: NumberFormat;
  momentum: number;
}

/** Rounding to a format. */
export type Rounding = 'stochastic' | 'nearest';

/** Formats of low-precision training. */
export interface NumberFormats extends FormatsByKind {
  /** Rounding of block floating point. */
  rounding: Rounding;
  /** Quantiser. qtorch (default): that of the reference; swalp: that of SWALP. */
  flavour?: 'qtorch' | 'swalp';
  /**
   * Shorter word length, in block floating point, of the weights of convolutions as operands, rounded to the nearest.
   */
  forwardWeight?: number;
  /** Treatment of infinities and NaN: error (default) ends the epoch with ERR_NUMERIC, which names tensor and step. */
  nonFinite?: 'error' | 'propagate';
  /** Rule for the scales of MX formats; required with them. */
  scale?: MxScale;
  /** Rounding to MX formats; when absent, even for weights and activations, stochastic for gradients. */
  operandRounding?: MxRounding;
  /** True where weights of convolutions are kept in their MX format, without a full-precision copy. */
  roundedWeights?: boolean;
}

/** Options of {@link NativeAddon.blockQuantize}. */
export interface BlockQuantizeOptions {
  /** Word length: 2 to 22, or -1 for none. */
  bits: number;
  /** Dimension with one exponent for each index; -1: one exponent for the whole tensor. */
  dim: number;
  rounding: Rounding;
  flavour?: 'qtorch' | 'swalp';
  device: string;
  /** Seed of stochastic rounding; the random bits depend on epoch, step and lane as well. */
  seed: number;
  epoch?: number;
  step?: number;
  lane?: number;
  /** True to compute by LibTorch's own operators instead of the kernel. */
  plain?: boolean;
}

/** Options of {@link NativeAddon.benchKernels}. */
export interface BenchKernelsOptions {
  device: string;
  /** Word length of block floating point. */
  bits: number;
  /** MX format to time instead of block floating point. */
  format?: MxFormat;
  /** Number of timed calls of each kernel. */
  repetitions: number;
  signal?: AbortSignal;
}

/** Options of {@link NativeAddon.benchCeilings}. */
export interface BenchCeilingsOptions {
  device: string;
  /** Size of the copied tensor. */
  copyBytes: number;
  /** Number of rows and columns of the multiplied matrices. */
  side: number;
  repetitions: number;
  signal?: AbortSignal;
}

/** Time of one kernel on one shape, milliseconds a call. */
export interface KernelTime {
  kernel: 'copy' | 'quantize' | 'matmul';
  name: string;
  shape: number[];
  /** Bytes moved: each value is read once and written once; for a product, each of the three matrices counts once. */
  bytes: number;
  median: number;
  low: number;
  high: number;
}
