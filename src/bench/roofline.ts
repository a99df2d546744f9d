/**
 * The roofline of a training step: the shortest time that its arithmetic and the bytes it moves allow on a machine
 * whose ceilings were measured. docs/performance.md states the counting rule.
 */
import type { LayerInfo, ModelDescription } from '../native/types/model';
import type { Precision } from '../native/types/pass';
import { layerParameters } from '../network/flops';

/** The highest rates of a device, as measured. */
export interface Ceilings {
  /** Rate of a copy, reads and writes together, bytes a second. */
  copy: number;
  /** Rate of a large product of matrices at the precision of the step, FLOP a second. */
  matmul: number;
}

/** The work of a training step. */
export interface StepWork {
  /** FLOPs of convolutions and linear layers: forward, gradient of the input, gradient of the weights. */
  flops: number;
  /** Bytes of activations and their gradients, in the arithmetic's element size. */
  activationBytes: number;
  /** Bytes of weights, their gradients and the optimiser's state. */
  weightBytes: number;
}

export interface Roofline {
  arithmeticMs: number;
  trafficMs: number;
  /** The larger of the two times, which is that of a step that overlaps both perfectly. */
  stepMs: number;
}

const ELEMENT_BYTES: Record<Precision, number> = { bf16: 2, fp32: 4 };
/** Element size of weights, momentum and gradients, which are float32 at every precision. */
const MASTER_BYTES = 4;
/**
 * Passes over a tensor between two kernels: it is written and read forward and read backward; its gradient is written
 * and read.
 */
const ACTIVATION_PASSES = 5;
/** Passes over the network's input: it is written and read forward and read backward; it has no gradient. */
const INPUT_PASSES = 3;
/** Reads of a weight, forward and backward, in the arithmetic's element size. */
const WEIGHT_READS = 2;
/** Passes of the optimiser: the float32 gradient is written and read, weight and momentum are read and written. */
const OPTIMISER_PASSES = 6;
/** Products of a layer: forward, gradient of the input, gradient of the weights. */
const ARITHMETIC_PASSES = 3;

/** Multiply-adds of one image; 0 for layers other than convolutions and linear layers. */
export function macsOf(layer: LayerInfo): number {
  if (layer.kind === 'linear') return layer.in * layer.out;
  if (layer.kind !== 'conv') return 0;
  return ((layer.kernel ** 2 * layer.in) / layer.groups) * layer.out * layer.height * layer.width;
}

/** Values of one image that a layer leaves in memory. A ReLU counts as part of the kernel before it. */
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

/**
 * Passes over a tensor of BatchNorm: forward it is read for its sums, then read and written; backward it and the
 * gradient are read twice, and one tensor is written.
 */
const NORM_PASSES = 8;

/** Bytes that BatchNorm in two passes each way moves in a training step, without shortcuts. */
export function normBytesOf({ layers }: Pick<ModelDescription, 'layers'>, batch: number, precision: Precision): number {
  const values = sumOf(layers, (layer) => (layer.kind === 'batchnorm' ? outputsOf(layer) : 0));
  return NORM_PASSES * values * ELEMENT_BYTES[precision] * batch;
}

export const bytesOf = ({ activationBytes, weightBytes }: StepWork): number => activationBytes + weightBytes;

export function rooflineOf(work: StepWork, ceilings: Ceilings): Roofline {
  const arithmeticMs = (1000 * work.flops) / ceilings.matmul;
  const trafficMs = (1000 * bytesOf(work)) / ceilings.copy;
  return { arithmeticMs, trafficMs, stepMs: Math.max(arithmeticMs, trafficMs) };
}
