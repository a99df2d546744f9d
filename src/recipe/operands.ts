/** Widths of the operands that a training multiplies, by its formats. */
import type { MxFormat } from '../native/types/mx';
import type { NumberFormat, NumberFormats } from '../native/types/number-formats';
import type { Precision } from '../native/types/pass';
import type { Operand, Operands } from '../network/bit-operations';
import { FORMAT_BITS } from './precision';

/** Bits of an element alone, without its share of the scale, which is less than one bit. */
export const elementBits = (format: MxFormat): number => Math.trunc(FORMAT_BITS[format]);

/**
 * Operands of the products in a training. For MX formats they have the bits of an element. Word lengths count as the
 * recipe names them: in block floating point, --wl-activate counts for the input of a convolution, although a BatchNorm
 * and a ReLU lie between it and the rounding, and --wl-error counts for both gradients. There images stay in full
 * precision; linear layers do in any format.
 */
export function operandsOf(formats: NumberFormats | undefined, precision: 'auto' | Precision): Operands {
  const full: Operand = { bits: precision === 'bf16' ? 16 : 32, float: true };
  const { weight = -1, forwardWeight = weight, activate = -1, error = -1, grad = -1 } = formats ?? {};
  const operand = (format: NumberFormat): Operand => {
    if (format === -1) return full;
    return { bits: typeof format === 'number' ? format : elementBits(format), float: false };
  };
  const isMx = (format: NumberFormat) => typeof format === 'string';
  return {
    weight: operand(forwardWeight),
    activate: operand(activate),
    error: operand(error),
    // In block floating point --wl-grad rounds the gradient of the weight, which is a result.
    grad: isMx(grad) ? operand(grad) : isMx(error) ? full : operand(error),
    images: isMx(activate) ? operand(activate) : full,
    linear: full,
  };
}
