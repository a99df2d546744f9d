import type { TensorData } from '../../tensor';

/** Formats of the OCP Microscaling Formats (MX) Specification 1.0, and NVFP4 (docs/low-precision.md). */
export type MxFormat = 'mxint8' | 'mxfp8-e4m3' | 'mxfp8-e5m2' | 'mxfp6-e2m3' | 'mxfp6-e3m2' | 'mxfp4' | 'nvfp4';

/** Rule by which the power of two of a block follows from its largest magnitude; NVFP4 has a rule of its own. */
export type MxScale = 'floor' | 'rceil' | 'even';

/** Rounding to nearest with ties to even or away from zero, or up with the probability of the remainder. */
export type MxRounding = 'even' | 'away' | 'stochastic';

/** Rounding to an MX format. */
export interface MxFormatOptions {
  format: MxFormat;
  scale: MxScale;
  rounding: MxRounding;
  /** Seed of stochastic rounding (1); the random bits depend on epoch, step and lane as well. */
  seed?: number;
  epoch?: number;
  step?: number;
  lane?: number;
}

/** Options of {@link NativeAddon.mxQuantize}. */
export interface MxOptions extends MxFormatOptions {
  /** Dimension that is cut into blocks of 32 (NVFP4: 16); the last may be shorter. 0 by default. */
  dim?: number;
  /** Number of equal runs of that dimension; a block never spans two runs. */
  groups?: number;
  /**
   * Device of the kernel that computes the values ("cpu" by default); scales and codes come from its plain twin on the
   * CPU.
   */
  device?: string;
  /** True where the values come from the plain twin instead of the kernel. */
  plain?: boolean;
}

/** A tensor after rounding. */
export interface MxTensor {
  /** uint8, one per block in the order of the values: an E8M0 power of two, or e4m3 for NVFP4. */
  scale: TensorData;
  /** uint8, one per element. */
  codes: TensorData;
  /** float32: the values that the codes stand for. */
  values: TensorData;
  /** Scale of the whole tensor in float32 for NVFP4, else 1. */
  tensorScale: number;
}

/** Options of {@link NativeAddon.mxConvolution}. */
export interface MxConvolutionOptions extends MxFormatOptions {
  stride?: number;
  padding?: number;
  groups?: number;
}

/** Results of {@link NativeAddon.mxConvolution}, float64. */
export interface MxProducts {
  y: TensorData;
  dx: TensorData;
  dw: TensorData;
}
