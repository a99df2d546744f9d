/** Bit operations and modelled energy, worked out by hand. */
import type { LayerInfo } from '../../src/native/types/model';
import type { NumberFormats } from '../../src/native/types/number-formats';
import { bitOperations, multiplyAddsOf, productsOf } from '../../src/network/bit-operations';
import { modelledJoules, picojoules } from '../../src/network/modelled-energy';
import { operandsOf } from '../../src/recipe/operands';
import { formatsOf } from '../../src/recipe/precision';

const layers: LayerInfo[] = [
  { kind: 'conv', key: 'a', in: 3, out: 8, kernel: 3, groups: 1, bias: false, height: 4, width: 4 },
  { kind: 'batchnorm', key: 'n', channels: 8, height: 4, width: 4 },
  { kind: 'conv', key: 'b', in: 8, out: 8, kernel: 3, groups: 8, bias: true, height: 2, width: 2 },
  { kind: 'conv', key: 'c', in: 8, out: 5, kernel: 1, groups: 1, bias: false, height: 2, width: 2 },
  { kind: 'linear', key: 'd', in: 5, out: 10, bias: true },
];
const nodes = [
  { key: 'a', inputs: [-1], op: 'conv', kernel: 3, stride: 1, padding: 1, groups: 1 },
  { key: 'b', inputs: [0], op: 'conv', kernel: 3, stride: 2, padding: 1, groups: 8 },
] as const;
const adds = multiplyAddsOf({ layers, nodes: nodes.map((node) => ({ ...node, inputs: [...node.inputs] })) });

test('multiply-adds of layers, those that read the images by themselves', () => {
  expect(adds).toEqual({ first: 9 * 3 * 8 * 16, inner: 9 * 8 * 4 + 8 * 5 * 4, linear: 50 });
});

const of = (formats: NumberFormats | undefined, precision: 'fp32' | 'bf16' = 'fp32') =>
  bitOperations(productsOf(adds, operandsOf(formats, precision)));
const all = adds.first + adds.inner + adds.linear;
const lengths = (weight: number, activate: number, error: number): NumberFormats => ({
  ...{ weight, activate, error, grad: 3, momentum: 2, rounding: 'stochastic' },
});

test('full precision: three products of 32 or 16 bits', () => {
  expect(of(undefined)).toBe(3 * 32 * 32 * all);
  expect(of(undefined, 'bf16')).toBe(3 * 16 * 16 * all);
});

test('word lengths: each product by its own operands; images and the last layer in full precision', () => {
  const [w, a, e] = [5, 6, 7];
  const inner = adds.inner * (w * a + e * w + e * a);
  const first = adds.first * (w * 32 + e * w + e * 32);
  expect(of(lengths(w, a, e))).toBe(inner + first + 3 * 32 * 32 * adds.linear);
  // Rounded tensors that are no operand count nothing, and operands that are not rounded count in full.
  expect(of({ ...lengths(w, a, e), grad: -1, momentum: -1 })).toBe(of(lengths(w, a, e)));
  expect(of(lengths(-1, -1, -1))).toBe(3 * 32 * 32 * all);
  expect(of({ ...lengths(8, a, e), forwardWeight: w })).toBe(of(lengths(w, a, e)));
});

test('MX formats: elements of images too, and gradients by the format of each product', () => {
  const formats = formatsOf({ format: 'mxfp8-e4m3', formatWeight: 'mxfp4', formatGrad: 'mxfp6-e3m2' });
  const [w, a, e, g] = [4, 8, 8, 6];
  expect(of(formats)).toBe((adds.inner + adds.first) * (w * a + e * w + g * a) + 3 * 32 * 32 * adds.linear);
  const open = { ...formats!, grad: -1 };
  expect(of(open)).toBe((adds.inner + adds.first) * (w * a + e * w + 32 * a) + 3 * 32 * 32 * adds.linear);
});

test('modelled energy: the table at its own widths, and between them', () => {
  const float = (bits: number) => ({ bits, float: true });
  const integer = (bits: number) => ({ bits, float: false });
  expect(picojoules(float(32), float(32))).toBeCloseTo(4.6);
  expect(picojoules(float(16), float(16))).toBeCloseTo(2);
  expect(picojoules(integer(8), integer(8))).toBeCloseTo(0.3);
  expect(picojoules(integer(4), integer(8))).toBeCloseTo(0.2);
  // The table has 3.1 for 32 bits.
  expect(picojoules(integer(32), integer(32)) - 0.1).toBeCloseTo(3.2);
  expect(picojoules(integer(4), float(32))).toBeCloseTo(4.6);
  expect(modelledJoules(productsOf(adds, operandsOf(undefined, 'fp32')))).toBeCloseTo(3 * all * 4.6e-12, 15);
});
