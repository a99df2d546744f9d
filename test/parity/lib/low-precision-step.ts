/** One step of the low-precision optimiser in the reference's order, for comparison with data and kernel. */

import type { NativeAddon } from '../../../src/native/types/addon';
import type { FormatsByKind } from '../../../src/native/types/number-formats';
import { floatsOf, floatTensor } from './tensors';

export interface Hyper {
  lr: number;
  momentum: number;
  weightDecay: number;
  lengths: Record<keyof Pick<FormatsByKind, 'weight' | 'grad' | 'momentum'>, number>;
}

export interface Parameter {
  shape: number[];
  weight: Float32Array;
  momentum: Float32Array;
  /** The gradient with its L1 term; absent: only the weight is quantised. */
  gradient?: Float32Array | undefined;
}

const { fround } = Math;

/** Quantises the gradient, does SGD in float32, and quantises weight and momentum (nearest, an exponent a row). */
export async function lowPrecisionStep(addon: NativeAddon, before: Parameter, hyper: Hyper): Promise<Parameter> {
  const { shape } = before;
  let { weight, momentum, gradient } = before;
  const quantise = async (values: Float32Array, bits: number) => {
    const options = { bits, dim: 0, rounding: 'nearest', device: 'cpu', seed: 1 } as const;
    return floatsOf(await addon.blockQuantize(floatTensor(values, shape), options));
  };
  if (gradient) {
    const rounded = await quantise(gradient, hyper.lengths.grad);
    const decay = fround(hyper.weightDecay);
    momentum = momentum.map((m, i) => {
      const change = fround(rounded[i]! + fround(weight[i]! * decay));
      return fround(fround(m * fround(hyper.momentum)) + change);
    });
    weight = weight.map((w, i) => fround(w - fround(momentum[i]! * fround(hyper.lr))));
    momentum = await quantise(momentum, hyper.lengths.momentum);
    gradient = rounded;
  }
  return { shape, weight: await quantise(weight, hyper.lengths.weight), momentum, gradient };
}
