/**
 * Bit operations of training: multiply-adds times the bits of both operands, for each of the three products of a layer.
 * Papers on low precision compare costs by them, as FLOPs do not tell formats apart (Zhou et al., "DoReFa-Net", 2016;
 * Fu et al., ICLR 2021). Evaluation, BatchNorm, rounding, scales of blocks and the optimiser are not counted.
 */
import type { ModelDescription } from '../native/types/model';

/** One operand of a product. */
export interface Operand {
  bits: number;
  /** True for a separate floating-point number, false for an element of a block. */
  float: boolean;
}

/** The operands of a network's products, by their role. */
export interface Operands {
  weight: Operand;
  /** Input of a convolution, except of the first ones. */
  activate: Operand;
  /** Gradient of a layer's output, as operand of the gradient of the input. */
  error: Operand;
  /** Gradient of a layer's output, as operand of the gradient of the weight. */
  grad: Operand;
  /** Input of the convolutions that read images. */
  images: Operand;
  /** Any operand of linear layers. */
  linear: Operand;
}

/** Multiply-adds of a forward pass of one image. */
export interface MultiplyAdds {
  /** Multiply-adds of convolutions that read images. */
  first: number;
  /** Multiply-adds of all other convolutions. */
  inner: number;
  linear: number;
}

export function multiplyAddsOf({ layers, nodes }: Pick<ModelDescription, 'layers' | 'nodes'>): MultiplyAdds {
  const reading = new Set(nodes.flatMap(({ key, inputs }) => (inputs.includes(-1) ? [key] : [])));
  const adds: MultiplyAdds = { first: 0, inner: 0, linear: 0 };
  for (const layer of layers) {
    if (layer.kind === 'linear') adds.linear += layer.in * layer.out;
    else if (layer.kind === 'conv') {
      const perOutput = (layer.kernel ** 2 * layer.in) / layer.groups;
      adds[reading.has(layer.key) ? 'first' : 'inner'] += perOutput * layer.out * layer.height * layer.width;
    }
  }
  return adds;
}

/** One product of a layer: its multiply-adds and both operands. */
export interface Product {
  count: number;
  a: Operand;
  b: Operand;
}

/** The products of a training step of one image: output, gradient of the input, gradient of the weight. */
export function productsOf(adds: MultiplyAdds, { linear, ...operands }: Operands): Product[] {
  const layer = (
    count: number,
    input: Operand,
    { weight, error, grad }: Pick<Operands, 'weight' | 'error' | 'grad'>,
  ): Product[] => [
    { count, a: weight, b: input },
    { count, a: error, b: weight },
    { count, a: grad, b: input },
  ];
  return [
    ...layer(adds.first, operands.images, operands),
    ...layer(adds.inner, operands.activate, operands),
    ...layer(adds.linear, linear, { weight: linear, error: linear, grad: linear }),
  ];
}

export function bitOperations(products: readonly Product[]): number {
  return products.reduce((sum, { count, a, b }) => sum + count * a.bits * b.bits, 0);
}
