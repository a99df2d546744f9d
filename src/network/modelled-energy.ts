/**
 * Models the energy of multiply-adds by a table, for hardware that has units of every width. None of its joules were
 * measured. It leaves out memory, wires and control, which take most of the energy of real chips, and is never added to
 * measured joules.
 *
 * The table has picojoules of one operation at 45 nm and 0.9 V (Horowitz, "Computing's energy problem (and what we can
 * do about it)", ISSCC 2014, figure 1.1.9). Its integer multipliers of 8 and 32 bits take 0.2 and 3.1 pJ, about in
 * proportion to the product of the widths, by which other widths are interpolated. Elements of blocks, floating-point
 * ones of MX formats included, count as integers of their width, and are added in 32 bits; bf16 counts as fp16 that is
 * added in fp32.
 */
import type { Operand, Product } from './bit-operations';

const PICOJOULES = {
  multiply: { fp32: 3.7, fp16: 1.1, int8: 0.2 },
  add: { fp32: 0.9, int32: 0.1 },
};

/** Picojoules of one multiply-add. A product with a floating-point operand counts as floating point. */
export function picojoules(a: Operand, b: Operand): number {
  const { multiply, add } = PICOJOULES;
  if (!a.float && !b.float) return multiply.int8 * ((a.bits * b.bits) / 64) + add.int32;
  const widest = Math.max(...[a, b].filter(({ float }) => float).map(({ bits }) => bits));
  return (widest > 16 ? multiply.fp32 : multiply.fp16) + add.fp32;
}

export function modelledJoules(products: readonly Product[]): number {
  return 1e-12 * products.reduce((sum, { count, a, b }) => sum + count * picojoules(a, b), 0);
}
