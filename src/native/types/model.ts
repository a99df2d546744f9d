import type { StateDict, TensorData } from '../../tensor';
import type { NativeDataset } from './dataset';
import type { NativeGroup } from './group';
import type { NativeHandle } from './handle';
import type { KernelTable, WidthCosts } from './kernels';
import type { Arch } from './network-data';
import type { NumberFormats } from './number-formats';
import type { EstimateNormsOptions, EvaluateOptions, PassResult, Precision } from './pass';

/** Channel widths in forward order; 'M' is a 2x2 max-pool (VGG only). */
export type Cfg = (number | 'M')[];

/** Options of {@link NativeAddon.createModel}. */
export interface ModelSpec {
  /** Name of the architecture, for example "vgg", or a network as data. */
  arch: Arch;
  /** Number of layers, for example 16. */
  depth: number;
  classes: number;
  /**
   * Channel widths; those of the published network when absent. A network that is data has one width for each set of
   * channels that pruning cuts.
   */
  cfg?: Cfg;
  /** Seed of the initial weights, which equal those that PyTorch draws with this seed. */
  seed: number;
  /** Device of the network: "cpu", "cuda" or "cuda:N". */
  device: string;
  /** Side of the images in pixels; that of the published network when absent. */
  imageSize?: number;
  /**
   * Formats of low precision (docs/reference.md#10). The model quantises the outputs of all convolutions and the
   * gradients that return to them; a trainer of this model also quantises gradients, weights and momentum. The last
   * linear layer stays in full precision. Keys do not change.
   */
  formats?: NumberFormats;
  /** Implementations of its convolutions that an earlier run used. Those that this machine lacks are ignored. */
  kernels?: KernelTable;
  /**
   * The ranks that train it together. Every rank then makes the same calls of `share`, `scores`, `masks`, `evaluate`, `estimateNorms` and of its
   * trainer, in the same order; a batch size is that of all ranks.
   */
  ranks?: NativeGroup;
  /** True where BatchNorm takes the statistics of a step over all ranks. */
  syncNorms?: boolean;
}

/** A network on a device. */
export interface NativeModel extends NativeHandle {
  describe(): ModelDescription;
  /** A copy of all parameters and buffers, in PyTorch's order. */
  stateDict(): Promise<StateDict>;
  /**
   * Takes weights. Every key must be present with the right shape, and no other key, else ERR_CHECKPOINT. Keys that
   * PyTorch's own networks lack may be absent: `num_batches_tracked`, the `indexes` of complete selections, `downsample.0.bias`.
   */
  loadStateDict(state: StateDict): Promise<void>;
  /** Gives every rank the state of rank 0. Does nothing without ranks. */
  share(): Promise<void>;
  /** Draws all weights anew and resets the BatchNorm statistics. */
  reinitialise(seed: number): Promise<void>;
  /**
   * Sets other formats from the next pass on; trainers of this model follow, and capture their step anew. Weights stay
   * until the next step. ERR_USAGE for a model in full precision.
   */
  setFormats(options: { formats: NumberFormats }): Promise<void>;
  /**
   * A score for each channel of all BatchNorm layers, in traversal order, by a criterion of docs/pruning.md. Neither weights nor
   * statistics change. ERR_USAGE where the criterion needs images and there are none, ERR_NUMERIC where a score is not finite.
   */
  scores(options: ScoreOptions): Promise<number[]>;
  /**
   * Masks at several ratios in one pass over |gamma| of all BatchNorm layers, in traversal order (docs/reference.md#6),
   * or over `scores` in their place. `protective`: every layer keeps at least its tenth of the largest
   * (docs/reference.md#8.5). `uniform`: each layer that one convolution feeds and that no other layer adds to loses the
   * same share of its channels, other layers lose none. ERR_PRUNE unless 0 <= ratio < 1; ERR_RANKS where gammas or
   * masks of the ranks differ.
   */
  masks(
    ratios: number[],
    options?: { protective?: boolean; uniform?: boolean; scores?: number[] },
  ): Promise<MaskResult[]>;
  /**
   * Applies soft filter pruning: the filters that a uniform mask of their Euclidean norms drops become 0, and can grow
   * again in training.
   */
  softPrune(ratio: number): Promise<void>;
  /** Computes the result of `prune` without building it. Throws the same errors. */
  plan(options: PlanOptions): Promise<PrunePlan>;
  /** A new, smaller model on the same device. ERR_PRUNE for a mask that cannot be pruned with. */
  prune(options: PruneOptions): Promise<PruneResult>;
  /**
   * Chooses the implementations of the model's convolutions on the CPU, which then stay fixed. Open ones are measured
   * first in mode "auto". `given`: the choice of another rank, which this one takes. Empty on a GPU.
   */
  chooseKernels(options: { precision: Precision; given?: KernelTable }): Promise<KernelTable>;
  /**
   * The costs of widths that tickets of this network can have: those in `known`, and the others measured. Empty on a
   * GPU.
   */
  timeWidths(options: { precision: Precision; known: WidthCosts; signal?: AbortSignal }): Promise<WidthCosts>;
  /** Logits of shape (batch, classes), float32. `train` uses and updates batch statistics. */
  forward(images: TensorData, options?: { train?: boolean; precision?: Precision }): Promise<TensorData>;
  evaluate(options: EvaluateOptions): Promise<PassResult>;
  /**
   * Does one step of stochastic weight averaging: parameters become (1 - share) * own + share * those of `model`, in
   * float32 and in place. Buffers stay. ERR_SHAPE unless both models have the same shapes and device.
   */
  average(model: NativeModel, share: number): Promise<void>;
  /**
   * Estimates the statistics of all BatchNorm layers anew by one pass over training data in training mode: the mean over
   * batches (docs/reference.md#10). The result is that of the pass.
   */
  estimateNorms(options: EstimateNormsOptions): Promise<PassResult>;
}

/** Structure of a network. */
export interface ModelDescription {
  arch: Arch;
  depth: number;
  classes: number;
  cfg: Cfg;
  /** Shape of an input image, [channels, height, width]. */
  input: [number, number, number];
  /** Keys of trainable parameters in module order, which is the order of the optimiser's state. */
  parameters: string[];
  /** Keys of the state dict that end in `.indexes`, which the reference counts as parameters. */
  indexes: string[];
  /** BatchNorm layers that the mask covers, in the reference's traversal order. N is the sum of their channels. */
  batchNorms: { key: string; channels: number }[];
  /** Layers that count for the FLOPs (docs/reference.md#11), in forward order. */
  layers: LayerInfo[];
  /** Operations of the forward pass, each behind those that it reads; the last one makes the logits. */
  nodes: GraphNode[];
}

/**
 * One operation of the forward pass. Its tensors lie in the state dict under `key`, which several nodes without tensors may share.
 * `inputs` are positions in the list of nodes; -1 stands for the images.
 */
export type GraphNode = { key: string; inputs: number[] } & (
  | { op: 'conv'; kernel: number; stride: number; padding: number; groups: number }
  | { op: 'maxpool' | 'avgpool'; kernel: number; stride: number; padding: number }
  | { op: 'batchnorm'; eps: number }
  /** Upper limit of the values. */
  | { op: 'relu'; max?: number }
  | { op: 'linear' | 'add' | 'concat' | 'select' }
);

/** A layer; `height` and `width` are those of its output, in pixels. */
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

/** The channels that are kept at a pruning ratio. */
export interface MaskResult {
  /** Share of the channels to drop, 0 <= ratio < 1. */
  ratio: number;
  /** Threshold; channels with a larger |gamma| or score are kept. */
  threshold: number;
  /** Number of channels kept. */
  kept: number;
  /** Number N of channels of all BatchNorm layers. */
  total: number;
  /** Number of channels kept in each BatchNorm layer, in traversal order. */
  keptPerLayer: number[];
  /** Mask as packed bits: channel 0 is the most significant bit of the first byte, padded with zeros. */
  bits: Uint8Array;
}

/** Options of {@link NativeModel.scores}. */
export interface ScoreOptions {
  criterion: string;
  /** Seed of the criterion `random`, and of the order of the images. */
  seed: number;
  /** Training images, for criteria of gradients. */
  dataset?: NativeDataset;
  /** Number of batches of epoch 0 to use, from the first one on. */
  batches?: number;
  /** Number of images of a batch. */
  batchSize?: number;
  signal?: AbortSignal;
}

/** Options of {@link NativeModel.plan}. */
export interface PlanOptions extends Omit<PruneOptions, 'weightsFrom'> {
  /** Costs of widths, from `timeWidths`, for the time of a step. */
  stepCosts?: WidthCosts | undefined;
}

/** Result of {@link NativeModel.plan}. */
export interface PrunePlan {
  /** See {@link PruneResult}. */
  layers: PrunedLayer[];
  /** The layers of the ticket, with the keys of the network that it is cut from. */
  network: LayerInfo[];
  /**
   * Processor time of a training step of the ticket's 1x1 and 3x3 convolutions, picoseconds an image; null where
   * unknown.
   */
  time: number | null;
}

/** Options of {@link NativeModel.prune}. */
export interface PruneOptions {
  /** Mask, packed as in {@link MaskResult}. */
  mask: Uint8Array;
  /** Scores that the mask was drawn by; |gamma| when absent. */
  scores?: number[];
  /** A layer that would lose every channel keeps the one with the largest |gamma| or score, or is removed. */
  emptyLayers: 'keep-one' | 'remove';
  /** Model of the same architecture whose weights are taken instead (rewinding), with its gammas unmasked. */
  weightsFrom?: NativeModel;
  /**
   * Kind of surgery. reference (default): as the reference prunes; exact: keeps the function of the dense network with
   * masked gammas and betas.
   */
  surgery?: 'reference' | 'exact';
  /** Number that widths become multiples of, within the budget of the mask. Default 1. */
  roundTo?: number;
  /** Costs used instead of `roundTo`: a width becomes its next multiple of 8, 16 or 32 where that is faster by them. */
  widthCosts?: WidthCosts;
}

/** Result of {@link NativeModel.prune}. */
export interface PruneResult {
  model: NativeModel;
  /** Layers in traversal order. */
  layers: PrunedLayer[];
  /** The mask as applied: rounded, and with the channels that empty layers kept. */
  mask: Uint8Array;
  /** True where a residual stream loses channels that are not zero: the ticket then computes another function than the masked network. */
  cutsLiveChannels: boolean;
}

/** A BatchNorm layer before and after pruning. */
export interface PrunedLayer {
  key: string;
  /** Number of channels before. */
  total: number;
  /** Number of channels that keep their gamma and beta. */
  kept: number;
  /** Number of kept channels that the mask had dropped, so that the layer is not empty. */
  clamped: number;
  /** Number of channels that the ticket computes. */
  width: number;
  removed: boolean;
}
