/**
 * The types in this folder describe the exports of binding/; a test compares the names.
 *
 * Methods that return a promise run on the one engine thread, in the order of the calls, so the event loop stays free. They reject with
 * an EarlybirdError, or with `signal.reason` when aborted, which takes at most one training step. Devices are named as in PyTorch:
 * "cpu", "cuda", "cuda:1".
 */
import type { TensorData } from '../../tensor';
import type { DatasetSpec, FilterSpec, NativeDataset, StreamSpec } from './dataset';
import type { GpuState, MeterOptions, NativeMeter } from './energy';
import type { JoinOptions, NativeGroup } from './group';
import type { KernelAnswer, KernelTable } from './kernels';
import type { ModelSpec, NativeModel } from './model';
import type { MxConvolutionOptions, MxOptions, MxProducts, MxTensor } from './mx';
import type { BenchCeilingsOptions, BenchKernelsOptions, BlockQuantizeOptions, KernelTime } from './number-formats';
import type { NativeTrainer, TrainerOptions } from './trainer';

/** The native engine, as {@link loadAddon} returns it. */
export interface NativeAddon {
  /** Version of the LibTorch that the addon was compiled against, for example "2.13.0". */
  readonly builtAgainst: string;
  /** Version of the LibTorch that is loaded. */
  readonly loaded: string;
  runtime(): RuntimeInfo;
  /** Sets the number of compute threads for all jobs of the engine. */
  setThreads(threads: number): void;
  /**
   * Starts a team of OpenMP threads, waits for at most `milliseconds`, and returns its size: fewer than `threads` where
   * OpenMP forbids more, 0 where it does not start.
   */
  teamSize(threads: number, milliseconds: number): number;
  /**
   * Sets for the whole process whether cuDNN times its algorithms for each new shape and takes the fastest; off at
   * first.
   */
  setCudnnSearch(on: boolean): void;
  /**
   * Sets how convolutions on the CPU are computed; "rule" at first. `mode`: "auto" uses measured answers, "rule" uses
   * none, and the name of an implementation takes it for every class that has it (ERR_USAGE for another word). `known`:
   * answers of an earlier process, for classes that have none here.
   */
  setKernels(options: { mode: string; known: KernelTable }): void;
  /** The answers that this process measured or was given. */
  kernels(): KernelAnswer[];
  /** Opens the CUDA plugin (earlybird_cuda.so) by absolute path, so that its kernels register with the dispatcher. */
  loadPlugin(path: string): void;
  /** Opens the JPEG decoder (earlybird_jpeg.so) by absolute path; createStream needs it. */
  loadJpeg(path: string): void;
  /** Exact number of bytes that live tensors take on the host. */
  hostBytes(): number;
  /** Returns cached host memory to the operating system. */
  emptyCache(): void;
  /** Cancels running jobs and joins the engine thread. Called at process exit; may be called twice. */
  shutdown(): void;

  /**
   * Meets the other ranks of a training and waits for all of them. ERR_RANKS where they do not come within the timeout.
   */
  joinRanks(options: JoinOptions): Promise<NativeGroup>;
  /** A network with new weights. ERR_MODEL where it cannot be built, ERR_DEVICE where the device is absent. */
  createModel(spec: ModelSpec): Promise<NativeModel>;
  /** A data set that lies on the device as a whole. Rejects with ERR_SHAPE, ERR_DEVICE or ERR_OUT_OF_MEMORY. */
  createDataset(spec: DatasetSpec): Promise<NativeDataset>;
  /** A data set of JPEG files, decoded batch by batch. ERR_NOT_BUILT without a JPEG decoder, ERR_DATASET for damaged shards. */
  createStream(spec: StreamSpec): Promise<NativeDataset>;
  /**
   * A JPEG without its Huffman code, as `data pack --cache yuv` stores it; null for one that cannot be packed (progressive, CMYK).
   * ERR_NOT_BUILT without a JPEG decoder, ERR_DATASET where it does not decode.
   */
  packJpeg(jpeg: Uint8Array): Promise<Uint8Array | null>;
  /** A trainer for a model: SGD with momentum. */
  createTrainer(model: NativeModel, options: TrainerOptions): Promise<NativeTrainer>;

  /**
   * Overlap of every pair of masks: `masks` holds `count` masks of `bits` bits, each padded to whole bytes, channel 0 = most
   * significant bit of the first byte. Returns count*count fractions of EQUAL bits (1 - Hamming distance), row-major.
   */
  maskOverlap(masks: Uint8Array, count: number, bits: number): Float64Array;

  /**
   * Rounds `values` (float32 or bfloat16, any shape) to block floating point, as low-precision training does. ERR_USAGE for word
   * lengths other than -1 and 2 to 22, ERR_SHAPE where the tensor has no dimension `dim`.
   */
  blockQuantize(values: TensorData, options: BlockQuantizeOptions): Promise<TensorData>;
  /**
   * Rounds `values` (float32, any shape) to blocks of an MX format or NVFP4 along a dimension (docs/low-precision.md).
   * ERR_USAGE for an unknown format or rule, ERR_SHAPE where the tensor has no dimension `dim` or `groups` do not divide it,
   * ERR_DEVICE for a device that is not there.
   */
  mxQuantize(values: TensorData, options: MxOptions): Promise<MxTensor>;
  /**
   * The three products of a convolution (output, gradient of the input, gradient of the weight), each of operands
   * rounded with blocks along the axis of its sum. They are computed in float64, which holds the products exactly, for
   * comparison and not for training.
   */
  mxConvolution(x: TensorData, w: TensorData, dy: TensorData, options: MxConvolutionOptions): Promise<MxProducts>;

  /** Times kernels on random tensors of a device. */
  benchKernels(options: BenchKernelsOptions): Promise<KernelTime[]>;
  /** Times the upper bounds of a step: a copy of memory, and matrix products in fp32 and (where the device has it) bf16. */
  benchCeilings(options: BenchCeilingsOptions): Promise<KernelTime[]>;

  /** An energy meter. A counter that cannot be read is no error; the meter's sources say why. */
  createMeter(options: MeterOptions): Promise<NativeMeter>;
  /** State of a GPU. ERR_ENERGY where NVML is absent or does not know the GPU, ERR_DEVICE for "cpu". */
  gpuState(device: string, options?: Pick<MeterOptions, 'nvml' | 'pciBusId'>): Promise<GpuState>;

  /** Applies a low-pass or high-pass filter (docs/reference.md#3) to uint8 images of shape (count, height, width, 3). */
  filterImages(images: Uint8Array, shape: [number, number, number, number], filter: FilterSpec): Promise<Uint8Array>;
}

/** Facts of the machine and its libraries as the engine sees them. */
export interface RuntimeInfo {
  /** Number of compute threads. */
  threads: number;
  /** Result of at::get_cpu_capability(), for example "AVX512". */
  cpuCapability: string;
  /** True where the processor has instructions that multiply bfloat16 numbers. */
  bf16: boolean;
  /** True for a LibTorch with CUDA. */
  cudaBuilt: boolean;
  /** True where earlybird_cuda.so is loaded. */
  cudaPlugin: boolean;
  /** Name of the JPEG decoder, for example "libjpeg-turbo 2.1.5"; empty where there is none. */
  jpeg: string;
  cudaDevices: { index: number; name: string; memoryBytes: number; capability: string; pciBusId: string }[];
}
