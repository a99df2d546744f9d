/** Block floating point: properties for any values. test/cpp compares the kernels with their plain twin at length. */
import * as fc from 'fast-check';
import type { BlockQuantizeOptions } from '../../src/native/types/number-formats';
import type { TensorData } from '../../src/tensor';
import { addon, floats } from '../support/small-handles';

const { threads } = addon.runtime();
afterAll(() => addon.setThreads(threads));

const tensor = (values: Float32Array, shape: number[]): TensorData => ({
  dtype: 'float32',
  shape,
  data: new Uint8Array(values.buffer),
});

type Wish = Pick<BlockQuantizeOptions, 'bits'> & Partial<BlockQuantizeOptions>;

const run = (input: TensorData, wish: Wish) =>
  addon.blockQuantize(input, { dim: 0, rounding: 'nearest', device: 'cpu', seed: 1, ...wish });

async function quantise(values: Float32Array, wish: Wish, shape = [1, values.length]): Promise<Float32Array> {
  return floats(await run(tensor(values, shape), wish));
}

/** One block: magnitudes apart by up to 2^40, zeros and repeated values among them. */
const block = fc
  .array(
    fc.oneof(
      fc.constant(0),
      fc.integer({ min: -512, max: 512 }).map((n) => n / 64), // many ties
      fc
        .tuple(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), fc.integer({ min: -20, max: 20 }))
        .map(([m, e]) => m * 2 ** (e - 24)),
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((values) => Float32Array.from(values));
const bits = fc.integer({ min: 2, max: 22 });
const flavour = fc.constantFrom('qtorch' as const, 'swalp' as const);

const exponent = (values: Float32Array) =>
  2 ** Math.floor(Math.log2(values.reduce((a, b) => Math.max(a, Math.abs(b)), 0)));
const stepOf = (values: Float32Array, wordLength: number) => exponent(values) * 2 ** (2 - wordLength);

const holds = <T extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  property: (...values: T) => Promise<void>,
) => fc.assert(fc.asyncProperty(...arbitraries, property), { seed: 7, numRuns: 200 });

test('what is rounded to nearest stays at the next rounding', () =>
  holds([block, bits], async (values, wordLength) => {
    const once = await quantise(values, { bits: wordLength });
    if (once.some((v) => v !== 0) && exponent(once) === exponent(values))
      expect(await quantise(once, { bits: wordLength })).toEqual(once);
  }));

test('but for ties, which go up, signs are treated alike', () =>
  holds([block, bits], async (values, wordLength) => {
    const up = await quantise(values, { bits: wordLength });
    const down = await quantise(
      values.map((v) => -v),
      { bits: wordLength },
    );
    const step = stepOf(values, wordLength);
    values.forEach((v, i) => {
      const between = Math.abs(v / step - Math.trunc(v / step));
      // Within the float32 rounding of the sum with 6E a value counts as a tie.
      const isTie = Math.abs(between - 0.5) <= 2 ** (wordLength - 23);
      if (isTie) expect(up[i]! + down[i]!).toBeLessThanOrEqual(step);
      else expect(up[i]! + down[i]!).toBe(0);
    });
  }));

test('a power of two more in is a power of two more out', () =>
  holds(
    [
      block,
      bits,
      flavour,
      fc.constantFrom('nearest' as const, 'stochastic' as const),
      fc.integer({ min: -60, max: 60 }),
    ],
    async (values, wordLength, kind, rounding, power) => {
      const wish = { bits: wordLength, flavour: kind, rounding };
      // A value that is tiny beside its block is lost either way.
      const scaled = await quantise(
        values.map((v) => v * 2 ** power),
        wish,
      );
      expect(scaled).toEqual((await quantise(values, wish)).map((v) => v * 2 ** power));
    },
  ));

test('order is kept', () =>
  holds([block, bits, flavour], async (values, wordLength, kind) => {
    const sorted = values.slice().sort();
    const out = await quantise(sorted, { bits: wordLength, flavour: kind });
    expect(out).toEqual(out.slice().sort((a, b) => a - b));
  }));

test('the error is at most half a step, or one where it is random, or what saturation takes', () =>
  holds([block, bits, flavour], async (values, wordLength, kind) => {
    const step = stepOf(values, wordLength);
    const top = 2 * exponent(values) - step;
    const slack = exponent(values) * 2 ** -21; // rounding of the sum with 6E
    for (const [rounding, bound] of [
      ['nearest', step / 2],
      ['stochastic', step],
    ] as const) {
      const out = await quantise(values, { bits: wordLength, flavour: kind, rounding });
      values.forEach((v, i) => {
        const inside = Math.max(-top, Math.min(top, v));
        expect(Math.abs(out[i]! - v)).toBeLessThanOrEqual(bound + slack + Math.abs(v - inside));
      });
    }
  }));

const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

test('the kernel and the plain twin give the same bits, at any number of threads', () =>
  holds(
    [shapes, fc.integer({ min: -1, max: 3 }), bits, flavour, fc.integer({ min: 0, max: 1000 })],
    async (shape, dim, wordLength, kind, seed) => {
      if (dim >= shape.length) return;
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * 1.7) * 2 ** ((i * 7) % 30));
      for (const rounding of ['nearest', 'stochastic'] as const) {
        const wish = { bits: wordLength, dim, rounding, flavour: kind, seed, epoch: 3, step: 4, lane: 5 };
        const plain = await run(tensor(values, shape), { ...wish, plain: true });
        for (const threads of [1, 3]) {
          addon.setThreads(threads);
          expect(await run(tensor(values, shape), wish)).toEqual(plain);
        }
      }
    },
  ));

test('bfloat16 values come out as the float32 ones do', () =>
  holds([block, bits], async (values, wordLength) => {
    const halves = new Uint16Array(values.length);
    const words = new Uint32Array(values.buffer);
    halves.forEach((_, i) => {
      halves[i] = words[i]! >>> 16;
      words[i] = halves[i]! << 16;
    });
    const shape = [1, values.length];
    const input: TensorData = { dtype: 'bfloat16', shape, data: new Uint8Array(halves.buffer) };
    for (const rounding of ['nearest', 'stochastic'] as const) {
      const out = await run(input, { bits: wordLength, rounding });
      const wide = new Uint32Array((await quantise(values, { bits: wordLength, rounding })).buffer);
      expect(Array.from(new Uint16Array(out.data.slice().buffer), (h) => h * 65536)).toEqual(Array.from(wide));
    }
  }));

test('stochastic rounding has the right mean, and other bits in every lane, step, epoch and seed', async () => {
  const values = new Float32Array(1 << 16).fill(0.3);
  values[0] = 1;
  const draw = (wish: Partial<BlockQuantizeOptions>) => quantise(values, { bits: 8, rounding: 'stochastic', ...wish });
  const first = await draw({});
  const mean = first.subarray(1).reduce((a, b) => a + b, 0) / (first.length - 1);
  // 0.3 is 19.2 steps of 2^-6: a standard deviation of 0.4 steps a draw.
  expect(Math.abs(mean - 0.3)).toBeLessThan((4 * 0.4 * 2 ** -6) / 256 + 2 ** -22);
  for (const other of [{ lane: 1 }, { step: 1 }, { epoch: 1 }, { seed: 2 }])
    expect(await draw(other)).not.toEqual(first);
  expect(await draw({})).toEqual(first);
});

test('-1 bits change nothing, other lengths and dimensions are refused', async () => {
  const values = Float32Array.of(1, 0.3, Number.NaN);
  expect(await quantise(values, { bits: -1 })).toEqual(values);
  for (const wordLength of [0, 1, 23, -2])
    await expect(quantise(values, { bits: wordLength })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  await expect(quantise(values, { bits: 8, dim: 2 })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  await expect(run({ dtype: 'int32', shape: [1], data: new Uint8Array(4) }, { bits: 8 })).rejects.toMatchObject({
    code: 'ERR_DTYPE',
  });
  expect((await quantise(new Float32Array(0), { bits: 8 }, [0, 3])).length).toBe(0);
});

test('a signal ends the timing of kernels', async () => {
  const signal = AbortSignal.abort();
  await expect(addon.benchKernels({ device: 'cpu', bits: 8, repetitions: 1, signal })).rejects.toBeDefined();
});
