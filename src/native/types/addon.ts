/**
 * The full type of the native addon: what binding/ exports, in one place.
 *
 * Rules that hold for every method:
 * - Methods that return a promise run on the one engine thread, in the order they were called; the event loop stays free.
 * - They reject with an EarlybirdError; with `signal.reason` when aborted (within one training step).
 * - Handles are disposable: dispose() is idempotent, frees native memory (as soon as a running job lets go of it: dispose() cancels a
 *   running epoch/evaluate of that handle), and later calls reject with ERR_DISPOSED.
 */
import type { TensorData } from '../../tensor';
import type { DatasetSpec, FilterSpec, NativeDataset, StreamSpec } from './dataset';
import type { GpuState, MeterOptions, NativeMeter } from './energy';
import type { ModelSpec, NativeModel } from './model';
import type { BenchCeilingsOptions, BenchKernelsOptions, BlockQuantizeOptions, KernelTime } from './number-formats';
import type { NativeTrainer, TrainerOptions } from './trainer';

export interface NativeAddon {
  /** LibTorch version the addon was compiled against, for example "2.13.0", and of the one that is loaded. */
  readonly builtAgainst: string;
  readonly loaded: string;
  runtime(): RuntimeInfo;
  /** Sets the number of compute threads of the engine (all its jobs). */
  setThreads(threads: number): void;
  /** Whether cuDNN times its algorithms for each new shape and takes the fastest (off at first). Process-wide. */
  setCudnnSearch(on: boolean): void;
  /** Opens the CUDA plugin (earlybird_cuda.so) by absolute path, so that its kernels register with the dispatcher. */
  loadPlugin(path: string): void;
  /** Opens the JPEG decoder (earlybird_jpeg.so) by absolute path; createStream needs it. */
  loadJpeg(path: string): void;
  /** Bytes of live tensors on the host, byte-exact. */
  hostBytes(): number;
  /** Gives cached host memory back to the operating system. */
  emptyCache(): void;
  /** Cancels what runs, joins the engine thread. Called on process exit; safe to call twice. */
  shutdown(): void;

  createModel(spec: ModelSpec): Promise<NativeModel>;
  createDataset(spec: DatasetSpec): Promise<NativeDataset>;
  createStream(spec: StreamSpec): Promise<NativeDataset>;
  createTrainer(model: NativeModel, options: TrainerOptions): Promise<NativeTrainer>;

  /**
   * Overlap of every pair of masks: `masks` holds `count` masks of `bits` bits, each padded to whole bytes, channel 0 = most
   * significant bit of the first byte. Returns count*count fractions of EQUAL bits (1 - Hamming distance), row-major.
   */
  maskOverlap(masks: Uint8Array, count: number, bits: number): Float64Array;

  /**
   * `values` (float32 or bfloat16, any shape) in block floating point, as low-precision training rounds them: for tests and
   * for looking at a format. `dim` -1 takes one exponent for the whole tensor. ERR_USAGE for other word lengths than -1 and 2
   * to 22, ERR_SHAPE where there is no such dimension.
   */
  blockQuantize(values: TensorData, options: BlockQuantizeOptions): Promise<TensorData>;

  /** Times kernels on made-up tensors of a device. */
  benchKernels(options: BenchKernelsOptions): Promise<KernelTime[]>;
  /** Times what no step can beat: a copy of memory, and products of matrices in fp32 and (where it has bf16) bf16. */
  benchCeilings(options: BenchCeilingsOptions): Promise<KernelTime[]>;

  /** Never fails for what cannot be read: the sources of the meter say why. */
  createMeter(options: MeterOptions): Promise<NativeMeter>;
  /** ERR_ENERGY where NVML cannot be had or does not know the GPU, ERR_DEVICE for "cpu". */
  gpuState(device: string, options?: Pick<MeterOptions, 'nvml' | 'pciBusId'>): Promise<GpuState>;

  /** The image filters of spec section 2 on uint8 images (count, height, width, 3). */
  filterImages(images: Uint8Array, shape: [number, number, number, number], filter: FilterSpec): Promise<Uint8Array>;
}

export interface RuntimeInfo {
  threads: number;
  /** at::get_cpu_capability(), for example "AVX512". */
  cpuCapability: string;
  bf16: boolean;
  cudaBuilt: boolean;
  cudaPlugin: boolean;
  /** What decodes JPEG files, for example "libjpeg-turbo 2.1.5"; empty where there is no decoder. */
  jpeg: string;
  cudaDevices: { index: number; name: string; memoryBytes: number; capability: string; pciBusId: string }[];
}
