import type { StateDict, TensorData } from '../../tensor';
import type { NativeHandle } from './handle';
import type { NumberFormats } from './number-formats';
import type { EstimateNormsOptions, EvaluateOptions, PassResult, Precision } from './pass';

/** Channel widths, 'M' for a 2x2 max-pool (VGG). Other families use plain numbers. */
export type Cfg = (number | 'M')[];
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
