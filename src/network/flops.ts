/** Analytic costs of a network, computed from its description without running it. */
import type { LayerInfo, ModelDescription, NativeModel } from '../native/types/model';
import type { StateDict } from '../tensor';

/** Size and work of a network. */
export interface Costs {
  /** Number of trainable weights. */
  parameters: number;
  /** The same number with the `indexes` vectors of channel selection, as the reference counts. */
  parametersWithIndexes: number;
  /** Forward FLOPs of one image. */
  flops: number;
}

export async function costsOf(model: NativeModel): Promise<Costs> {
  const description = model.describe();
  const { parameters, withIndexes } = parameterCount(description, await model.stateDict());
  return { parameters, parametersWithIndexes: withIndexes, flops: forwardFlops(description.layers) };
}

/** Number N of channels of all BatchNorm layers under the mask. */
export function maskChannels({ batchNorms }: Pick<ModelDescription, 'batchNorms'>): number {
  return batchNorms.reduce((sum, { channels }) => sum + channels, 0);
}

/**
 * Forward FLOPs of one image by the rule of the reference's counter (docs/reference.md#11): a multiply-add counts as
 * two. Additions of branches, channel selection and functional pooling are not counted.
 *
 * @param layers `layers` of a model's description
 */
export function forwardFlops(layers: readonly LayerInfo[]): number {
  return layers.reduce((sum, layer) => sum + layerFlops(layer), 0);
}

function layerFlops(layer: LayerInfo): number {
  switch (layer.kind) {
    case 'conv': {
      const perOutput = (2 * layer.kernel ** 2 * layer.in) / layer.groups + (layer.bias ? 1 : 0);
      return perOutput * layer.out * layer.height * layer.width;
    }
    case 'linear':
      return 2 * layer.in * layer.out + (layer.bias ? layer.out : 0);
    case 'batchnorm':
      return 2 * layer.channels * layer.height * layer.width;
    case 'relu':
      return layer.channels * layer.height * layer.width;
    default:
      return layer.kernel ** 2 * layer.channels * layer.height * layer.width;
  }
}

/** Sizes of a network. */
export interface ParameterCount {
  /** Number of trainable weights. */
  parameters: number;
  /** The same number with the `indexes` vectors of channel selection, as the reference counts. */
  withIndexes: number;
}

/** Counts parameters from a model's description; the lengths of `indexes` are read from its state dict. */
export function parameterCount(description: ModelDescription, state: StateDict): ParameterCount {
  const parameters = description.layers.reduce((sum, layer) => sum + layerParameters(layer), 0);
  const indexes = description.indexes.reduce((sum, key) => sum + (state.get(key)?.shape[0] ?? 0), 0);
  return { parameters, withIndexes: parameters + indexes };
}

export function layerParameters(layer: LayerInfo): number {
  switch (layer.kind) {
    case 'conv':
      return (layer.kernel ** 2 * layer.in * layer.out) / layer.groups + (layer.bias ? layer.out : 0);
    case 'linear':
      return layer.in * layer.out + (layer.bias ? layer.out : 0);
    case 'batchnorm':
      return 2 * layer.channels;
    default:
      return 0;
  }
}

/** Memory for drawing a mask over N channels, in KB (4 bytes a channel), as the reference reports it. */
export function maskMemoryKB(channels: number): number {
  return (channels * 32) / 1024 / 8;
}

/** FLOPs for drawing a mask over N channels, as the reference reports them: a sort and two passes. */
export function maskFlops(channels: number): number {
  return 3 * channels * Math.log2(channels) + 2 * channels;
}
