/** Analytic costs of a network: nothing is run, no statistics move. */
import type { LayerInfo, ModelDescription } from '../native/types/model';
import type { StateDict } from '../tensor';

/** Forward FLOPs of one layer and one image, by the rule of the reference's counter (compute_flops.py): a multiply-add is two. */
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

/** Forward FLOPs of one image. Adds, channel selection and functional pooling count nothing. */
export function forwardFlops(layers: readonly LayerInfo[]): number {
  return layers.reduce((sum, layer) => sum + layerFlops(layer), 0);
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

export interface ParameterCount {
  /** Trainable weights. */
  parameters: number;
  /** With the `indexes` vectors of channel selection, as the reference counts them. */
  withIndexes: number;
}

/** Counts from the description; the lengths of `indexes` are read from the state dict. */
export function parameterCount(description: ModelDescription, state: StateDict): ParameterCount {
  const parameters = description.layers.reduce((sum, layer) => sum + layerParameters(layer), 0);
  const indexes = description.indexes.reduce((sum, key) => sum + (state.get(key)?.shape[0] ?? 0), 0);
  return { parameters, withIndexes: parameters + indexes };
}

/** Memory that drawing a mask over N channels asks for, KB (4 bytes a channel). */
export function maskMemoryKB(channels: number): number {
  return (channels * 32) / 1024 / 8;
}

/** FLOPs of drawing a mask over N channels: a sort and two passes. */
export function maskFlops(channels: number): number {
  return 3 * channels * Math.log2(channels) + 2 * channels;
}
