/**
 * The floors of a training step: the least time it can take by its arithmetic and by the bytes it has to move, on a machine whose
 * ceilings were measured. Pure; docs/performance.md states the counting rule.
 */

import type { LayerInfo, ModelDescription } from '../native/types/model';
import type { Precision } from '../native/types/pass';
import { layerParameters } from '../network/flops';

/** What a device does at most, as measured. */
export interface Ceilings {
  /** A copy, read and write together: bytes a second. */
  copy: number;
  /** A large product of matrices at the precision of the step: FLOP a second. */
  matmul: number;
}

/** What a training step has to do. */
export interface StepWork {
  /** Multiplications and additions of convolutions and linear layers: forward, gradient of the input, gradient of the weights. */
  flops: number;
  /** Bytes of activations and their gradients, in the arithmetic's element size. */
  activationBytes: number;
  /** Bytes of weights, their gradients and the optimiser's state. */
  weightBytes: number;
}

export interface Floors {
  arithmeticMs: number;
  trafficMs: number;
  /** The larger of the two: a step that overlaps both perfectly. */
  floorMs: number;
}

const ELEMENT_BYTES: Record<Precision, number> = { bf16: 2, fp32: 4 };
/** Weights, momentum and gradients are float32 at every precision. */
const MASTER_BYTES = 4;
/** Of a tensor between two kernels: written and read forward, read backward; its gradient written and read. */
const ACTIVATION_PASSES = 5;
/** Of the input of the network: written and read forward, read backward; it has no gradient. */
const INPUT_PASSES = 3;
/** Of a weight as the arithmetic takes it: read forward, read backward. */
const WEIGHT_READS = 2;
/** Of float32: gradient written and read; weight and momentum read and written by the optimiser. */
const OPTIMISER_PASSES = 6;
/** Forward, gradient of the input, gradient of the weights. */
const ARITHMETIC_PASSES = 3;

/** Multiply-adds of one image; only convolutions and linear layers have some. */
export function macsOf(layer: LayerInfo): number {
  if (layer.kind === 'linear') return layer.in * layer.out;
  if (layer.kind !== 'conv') return 0;
  return ((layer.kernel ** 2 * layer.in) / layer.groups) * layer.out * layer.height * layer.width;
}

/** Values that a layer leaves in memory, of one image. A ReLU happens in the kernel before it. */
export function outputsOf(layer: LayerInfo): number {
  switch (layer.kind) {
    case 'relu':
      return 0;
    case 'linear':
      return layer.out;
    case 'conv':
      return layer.out * layer.height * layer.width;
    default:
      return layer.channels * layer.height * layer.width;
  }
}

const sumOf = (layers: readonly LayerInfo[], of: (layer: LayerInfo) => number) =>
  layers.reduce((sum, layer) => sum + of(layer), 0);

export function workOf(
  { layers, input }: Pick<ModelDescription, 'layers' | 'input'>,
  batch: number,
  precision: Precision,
): StepWork {
  const element = ELEMENT_BYTES[precision];
  const [channels, height, width] = input;
  const values = ACTIVATION_PASSES * sumOf(layers, outputsOf) + INPUT_PASSES * channels * height * width;
  return {
    flops: ARITHMETIC_PASSES * 2 * sumOf(layers, macsOf) * batch,
    activationBytes: values * element * batch,
    weightBytes: sumOf(layers, layerParameters) * (WEIGHT_READS * element + OPTIMISER_PASSES * MASTER_BYTES),
  };
}

export const bytesOf = ({ activationBytes, weightBytes }: StepWork): number => activationBytes + weightBytes;

export function floorsOf(work: StepWork, ceilings: Ceilings): Floors {
  const arithmeticMs = (1000 * work.flops) / ceilings.matmul;
  const trafficMs = (1000 * bytesOf(work)) / ceilings.copy;
  return { arithmeticMs, trafficMs, floorMs: Math.max(arithmeticMs, trafficMs) };
}
