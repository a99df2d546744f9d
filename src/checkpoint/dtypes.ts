/** Element types that files name: types whose values are read (src/tensor.ts), and types that are only shown. */
import { DTYPE_BYTES, type Dtype } from '../tensor';

/** Bytes of an element, by PyTorch's name without "torch.". */
export const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  ...DTYPE_BYTES,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  complex32: 4,
  complex64: 8,
  complex128: 16,
  float8_e4m3fn: 1,
  float8_e4m3fnuz: 1,
  float8_e5m2: 1,
  float8_e5m2fnuz: 1,
  float8_e8m0fnu: 1,
  // One element holds two values.
  float4_e2m1fn_x2: 1,
  bits1x8: 1,
  bits2x4: 1,
  bits4x2: 1,
  bits8: 1,
  bits16: 2,
  qint8: 1,
  quint8: 1,
  qint32: 4,
  quint4x2: 1,
  quint2x4: 1,
  ...Object.fromEntries(
    [1, 2, 3, 4, 5, 6, 7].flatMap((bits) => [`int${bits}`, `uint${bits}`].map((name) => [name, 1])),
  ),
};

/** Aliases of element types. */
const ALIASES: Readonly<Record<string, string>> = {
  float: 'float32',
  double: 'float64',
  half: 'float16',
  long: 'int64',
  int: 'int32',
  short: 'int16',
  cfloat: 'complex64',
  cdouble: 'complex128',
  chalf: 'complex32',
};

/** True for types whose values are read. */
export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(DTYPE_BYTES, name);
}

/** The element type that `torch.<name>` stands for, or undefined. */
export function dtypeNamed(name: string): string | undefined {
  const plain = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
  return Object.hasOwn(ELEMENT_BYTES, plain) ? plain : undefined;
}
