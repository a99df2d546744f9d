import { firstNotFinite } from '../../src/network/finite';
import type { Dtype, TensorData } from '../../src/tensor';

const bytesOf = (values: { buffer: ArrayBufferLike }) => new Uint8Array(values.buffer as ArrayBuffer);
const tensor = (dtype: Dtype, count: number, data: Uint8Array): TensorData => ({ dtype, shape: [count], data });

test.each<[Dtype, number, Uint8Array]>([
  ['float64', 1, bytesOf(Float64Array.of(1, Number.NaN, -2))],
  ['float64', 2, bytesOf(Float64Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e308))],
  ['float32', 1, bytesOf(Float32Array.of(1, Number.NaN, 3e38))],
  ['float32', 1, bytesOf(Float32Array.of(1, Number.NEGATIVE_INFINITY, 3e38))],
  ['float16', 2, bytesOf(Uint16Array.of(0x7c00, 0xfe00, 0x7bff))],
  ['bfloat16', 2, bytesOf(Uint16Array.of(0x7f80, 0xffc0, 0x7f7f))],
])('NaN and infinity are counted in %s', (dtype, count, data) => {
  const state = new Map([
    ['fine', tensor('float32', 1, new Uint8Array(4))],
    ['bad', tensor(dtype, 3, data)],
  ]);
  expect(firstNotFinite(state)).toEqual({ key: 'bad', count, of: 3 });
});

test('finite values, whole numbers and nothing are fine, at any place in memory', () => {
  // Files are read into a Buffer.
  for (const unaligned of [new Uint8Array(13).subarray(1), Buffer.alloc(13).subarray(1)])
    expect(firstNotFinite(new Map([['a', tensor('float32', 3, unaligned)]]))).toBeNull();
  expect(firstNotFinite(new Map([['n', tensor('int64', 1, new Uint8Array(8).fill(0xff))]]))).toBeNull();
  expect(firstNotFinite(new Map([['e', tensor('float64', 0, new Uint8Array(0))]]))).toBeNull();
});
