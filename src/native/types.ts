/**
 * The full type of the native addon: what binding/ exports, in one place.
 *
 * Rules that hold for every method:
 * - Methods that return a promise run on the one engine thread, in the order they were called; the event loop stays free.
 * - They reject with an EarlybirdError; with `signal.reason` when aborted (within one training step).
 * - Handles are disposable: dispose() is idempotent, frees native memory (as soon as a running job lets go of it: dispose() cancels a
 *   running epoch/evaluate of that handle), and later calls reject with ERR_DISPOSED.
 */
import type { StateDict, TensorData } from '../tensor';
import type { GpuState, MeterOptions, NativeMeter } from './energy';
import type { BenchKernelsOptions, BlockQuantizeOptions, KernelTime, NumberFormats, Rounding } from './number-formats';

/** Channel widths, 'M' for a 2x2 max-pool (VGG). Other families use plain numbers. */
export type Cfg = (number | 'M')[];

export type Precision = 'fp32' | 'bf16';

export interface NativeAddon {
  /** LibTorch version the addon was compiled against, for example "2.13.0", and of the one that is loaded. */
  readonly builtAgainst: string;
  readonly loaded: string;
  runtime(): RuntimeInfo;
  /** Sets the number of compute threads of the engine (all its jobs). */
  setThreads(threads: number): void;
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

export interface ModelSpec {
  arch: string;
  depth: number;
  classes: number;
  /** Widths; the architecture's default when absent. */
  cfg?: Cfg;
  /** Seed of the initial weights (PyTorch's own generator, so that seed 1 gives PyTorch's weights). */
  seed: number;
  device: string;
  /** Side of the images, pixels; what the network was published for when absent. */
  imageSize?: number;
  /**
   * Low precision: outputs of all convolutions are quantised, and the gradients that come back to them; a trainer of this model
   * quantises gradients, weights and momentum. The last linear layer stays in full precision. Keys do not change.
   */
  formats?: NumberFormats;
}

export interface NativeModel extends NativeHandle {
  describe(): ModelDescription;
  stateDict(): Promise<StateDict>;
  /**
   * Strict: every key must be there with the right shape and none may be left over. Absent may be what PyTorch's own networks lack:
   * `num_batches_tracked`, the `indexes` of selections that take everything, `downsample.0.bias`.
   */
  loadStateDict(state: StateDict): Promise<void>;
  /** Re-draws all weights and resets BatchNorm statistics. */
  reinitialise(seed: number): Promise<void>;
  /**
   * Masks at several ratios in one pass over |gamma| of all BN layers, in traversal order (spec section 5). 0 <= ratio < 1.
   * `protective`: every layer keeps at least its tenth of the largest |gamma| (spec 7.5).
   */
  masks(ratios: number[], options?: { protective?: boolean }): Promise<MaskResult[]>;
  /** A new, smaller model (on the same device). The mask is packed as in MaskResult. */
  prune(options: PruneOptions): Promise<PruneResult>;
  /** Logits, shape [batch, classes], float32. `train` uses and updates batch statistics. */
  forward(images: TensorData, options?: { train?: boolean; precision?: Precision }): Promise<TensorData>;
  evaluate(options: EvaluateOptions): Promise<PassResult>;
  /**
   * Stochastic weight averaging: parameters become (1 - share) * own + share * those of `model`, in float32 and in place.
   * Buffers stay. Both models are of one shape and device, or ERR_SHAPE.
   */
  average(model: NativeModel, share: number): Promise<void>;
  /**
   * Re-estimates the statistics of all BN layers from nothing by one pass over training data in training mode: the plain mean over
   * batches (spec section 10). The result is of that pass.
   */
  estimateNorms(options: EstimateNormsOptions): Promise<PassResult>;
}

export interface ModelDescription {
  arch: string;
  depth: number;
  classes: number;
  cfg: Cfg;
  /** [channels, height, width] of an input image. */
  input: [number, number, number];
  /** Keys of trainable parameters in module order = order of the optimiser's state. */
  parameters: string[];
  /** Entries of the state dict that are `*.indexes` (counted by the reference's parameter counter). */
  indexes: string[];
  /** The BN layers that the mask covers, in the reference's traversal order. Their sum of channels is N. */
  batchNorms: { key: string; channels: number }[];
  /** What the FLOPs rule of spec section 11 counts, in forward order. */
  layers: LayerInfo[];
}

export type LayerInfo =
  | {
      kind: 'conv';
      key: string;
      in: number;
      out: number;
      kernel: number;
      groups: number;
      bias: boolean;
      height: number;
      width: number;
    }
  | { kind: 'linear'; key: string; in: number; out: number; bias: boolean }
  | { kind: 'batchnorm' | 'relu'; key: string; channels: number; height: number; width: number }
  | { kind: 'maxpool' | 'avgpool'; key: string; channels: number; kernel: number; height: number; width: number };
// height and width are those of the OUTPUT.

export interface MaskResult {
  ratio: number;
  threshold: number;
  kept: number;
  /** N: number of channels of all BN layers. */
  total: number;
  keptPerLayer: number[];
  /** Packed bits, channel 0 = most significant bit of the first byte, zero padding. */
  bits: Uint8Array;
}

export interface PruneOptions {
  mask: Uint8Array;
  /** What happens to a layer that would lose every channel: keep the channel with the largest |gamma|, or drop the layer. */
  emptyLayers: 'keep-one' | 'remove';
  /** Copy weights from this model (same architecture) instead: lottery-ticket rewind. Its gammas are taken unmasked. */
  weightsFrom?: NativeModel;
  /** reference (default): the release's pruners; exact: the function of the dense network with masked gammas and betas. */
  surgery?: 'reference' | 'exact';
  /** Widths become multiples of this, within the budget of the mask. Default 1. */
  roundTo?: number;
}

export interface PruneResult {
  model: NativeModel;
  layers: PrunedLayer[];
  /** The mask as it was applied: with the channels that were revived in empty layers, and rounded. */
  mask: Uint8Array;
  /** A residual stream loses channels that are not zero: the ticket is another function than the masked network. */
  cutsLiveChannels: boolean;
}

/** A BN layer, in mask order. */
export interface PrunedLayer {
  key: string;
  total: number;
  /** Channels that keep their gamma and beta. */
  kept: number;
  /** Of these, channels that the mask dropped and that were kept so that the layer is not empty. */
  clamped: number;
  /** Channels that the ticket still computes. */
  width: number;
  removed: boolean;
}

export interface FilterSpec {
  kind: 'none' | 'lowpass' | 'highpass';
  sigma: number;
}

export interface DatasetSpec {
  /** uint8 (count, height, width, 3), kept on the device. */
  images: Uint8Array;
  labels: Int32Array;
  height: number;
  width: number;
  classes: number;
  device: string;
  mean: [number, number, number];
  std: [number, number, number];
  /** Zero padding for the random crop; 0 switches crop off. */
  padding: number;
  flip: boolean;
  filter: FilterSpec;
  /** Input threshold on [0,1] pixels (`--sparsity_gt`); 0 switches it off. */
  threshold: number;
}

/** Encoded images (JPEG) that threads of their own decode batch by batch, in the cores' spare time: ImageNet. */
export interface StreamSpec {
  /** Image files, or tar shards that hold many images each. */
  files: string[];
  /** Of each image: its file, and where in it its bytes lie. A length of -1 stands for the whole file. */
  file: Int32Array;
  offsets: Float64Array;
  lengths: Float64Array;
  labels: Int32Array;
  classes: number;
  device: string;
  mean: [number, number, number];
  std: [number, number, number];
  /** Side of the network's input, pixels. */
  size: number;
  /** train: random resized crop and flip. evaluate: shorter side to `resize`, then the centre. */
  transform: 'train' | 'evaluate';
  resize: number;
  /** Decoding threads. */
  workers: number;
  /** Images of one pass that may fail to decode; one more is an error. */
  maxBad: number;
  /** This process takes every `worldSize`-th image of the epoch's order, from `rank` on. */
  rank: number;
  worldSize: number;
}

export interface NativeDataset extends NativeHandle {
  readonly count: number;
  /** What the network would see for these image indexes at this epoch and seed: normalised float32 (n, 3, H, W), and labels. */
  batch(
    indexes: number[],
    options: { seed: number; epoch: number },
  ): Promise<{ images: TensorData; labels: Int32Array }>;
  /** Makes every batch of an epoch and throws it away: what the data alone can do, for benchmarks. */
  drain(options: { seed: number; epoch: number; batchSize: number; signal?: AbortSignal }): Promise<DrainResult>;
}

export interface DrainResult {
  images: number;
  seconds: number;
  bad: BadImage[];
}

/** An image that could not be decoded, and was left out of its batch. */
export interface BadImage {
  /** In the dataset's own order. */
  index: number;
  reason: string;
}

export interface TrainerOptions {
  momentum: number;
  weightDecay: number;
  /** Strength s of the L1 subgradient on BN gammas; 0 switches it off. */
  l1: number;
  precision: Precision;
  /** Keys shuffling and augmentation, with the epoch. */
  seed: number;
}

export interface NativeTrainer extends NativeHandle {
  epoch(options: EpochOptions): Promise<PassResult>;
  /** One step on given, already normalised images: for tests and parity. Gradients are those before the L1 term. */
  step(options: { images: TensorData; labels: Int32Array; lr: number; gradients?: boolean }): Promise<StepResult>;
  /** A consistent copy of weights and momentum on the host, contiguous NCHW. Keys of momentum are parameter keys. */
  snapshot(): Promise<{ state: StateDict; momentum: StateDict }>;
  restoreMomentum(momentum: StateDict): Promise<void>;
}

export interface Progress {
  step: number;
  steps: number;
  images: number;
  seconds: number;
  /** Running means; null where the device has not reported yet. */
  loss: number | null;
  top1: number | null;
}

interface PassOptions {
  dataset: NativeDataset;
  batchSize: number;
  signal?: AbortSignal;
  /** At most four times a second. */
  onProgress?: (progress: Progress) => void;
}

export interface EpochOptions extends PassOptions {
  /** Epoch index: keys shuffle and augmentation. */
  epoch: number;
  lr: number;
  /** Ends the epoch after this many steps: for benchmarks. */
  steps?: number;
}

export interface EvaluateOptions extends PassOptions {
  precision: Precision;
  /** Low precision: how activations are rounded, instead of as the model's formats say. */
  rounding?: Rounding;
}

export interface EstimateNormsOptions extends PassOptions {
  precision: Precision;
  /** Key the order of the images and their augmentation. */
  seed: number;
  epoch: number;
}

/** One pass over a dataset. Accuracies in percent. `BatchMean` values are unweighted means of batch values, as the reference prints. */
export interface PassResult {
  images: number;
  steps: number;
  seconds: number;
  /** Mean over samples. */
  loss: number;
  lossBatchMean: number;
  top1: number;
  top1BatchMean: number;
  top5: number;
  top5BatchMean: number;
  /** Seconds the steps waited for data; 0 where all of it is on the device. */
  waited: number;
  /** Images left out because they do not decode. */
  bad: BadImage[];
}

export interface StepResult {
  loss: number;
  correct: number;
  gradients?: StateDict;
}

export interface NativeHandle {
  readonly disposed: boolean;
  dispose(): void;
  [Symbol.dispose](): void;
}
