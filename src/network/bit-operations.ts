/**
 * Bit operations of training: multiply-adds times the bits of both operands, for each of the three products of a layer, which is how
 * papers on low precision compare costs that FLOPs do not tell apart (Zhou et al., "DoReFa-Net", 2016; Fu et al., ICLR 2021).
 * Evaluation, BatchNorm, rounding, scales of blocks and the optimiser count nothing.
 */
import type { ModelDescription } from '../native/types/model';

/** One operand of a product. */
export interface Operand {
  bits: number;
  /** A floating-point number of its own, no element of a block. */
  float: boolean;
}

/** The operands of a network's products, by what they are. */
export interface Operands {
  weight: Operand;
  /** What a convolution reads from the layers before it. */
  activate: Operand;
  /** The gradient that comes back to a layer's output, where it makes the gradient of the input. */
  error: Operand;
  /** The same, where it makes the gradient of the weight. */
  grad: Operand;
  /** What the convolutions read that come first. */
  images: Operand;
  /** All operands of linear layers. */
  linear: Operand;
}

/** Multiply-adds of a forward pass of one image. */
export interface MultiplyAdds {
  /** Of convolutions that read images. */
  first: number;
  /** Of all other convolutions. */
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

/** So many multiply-adds of two operands. */
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
