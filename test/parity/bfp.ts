import type { BlockQuantizeOptions } from '../../src/native/types/number-formats';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { floatsOf, floatsOfHex, floatTensor, hexOfFloat } from './lib/tensors';

interface ResultJson {
  dim: number;
  wl?: number;
  /** The library refuses this dimension. */
  error?: boolean;
  nearest_hex?: string;
  stochastic_low_hex?: string;
  stochastic_high_hex?: string;
  probability_of_high?: number[];
}

interface CaseJson {
  case: string;
  shape: number[];
  input_hex: string;
  results: ResultJson[];
}

/** The library's base overflows there by accident, and the data say not to follow it. */
const OVERFLOW = 0x7e800000; // 2^126
const DRAWS = 400;
/** Tolerance of a mean of draws in standard deviations: among thousands of means one may come near 4.5. */
const DEVIATIONS = 6;
/** The accuracy of the share of draws that go up: 16 random bits an element. */
const RESOLUTION = 2 ** -15;

/** Nearest rounding must give the same values, stochastic rounding one of two neighbours as often as the data say. */
export function* cases(context: Context): Iterable<Case> {
  for (const one of context.reference.json<{ cases: CaseJson[] }>('bfp.json').cases) {
    yield { name: `bfp ${one.case}`, run: () => check(context, one) };
  }
}

async function check({ addon }: Context, { shape, input_hex, results }: CaseJson): Promise<string> {
  const checks = new Checks();
  const input = floatsOfHex(input_hex);
  const base = { device: 'cpu', seed: 1, rounding: 'nearest' as const };
  for (const { dim, wl = 8, error, ...expected } of results) {
    const quantise = async (options: Partial<BlockQuantizeOptions> = {}) =>
      floatsOf(await addon.blockQuantize(floatTensor(input, shape), { ...base, bits: wl, dim, ...options }));
    const name = `dim ${dim}, ${wl} bits`;
    if (error) {
      checks.equal(
        `${name}: error`,
        await quantise().then(
          () => 'none',
          ({ code }) => code,
        ),
        'ERR_SHAPE',
      );
      continue;
    }
    const known = knownBlocks(input, shape, dim);
    same(checks, name, await quantise(), floatsOfHex(expected.nearest_hex!), known);
    if (expected.probability_of_high) await checkDraws(checks, name, quantise, expected, known);
  }
  return checks.done();
}

/** Marks the elements in blocks whose values are compared. */
function knownBlocks(input: Float32Array, shape: number[], dim: number): boolean[] {
  const inner = dim < 0 ? input.length : shape.slice(dim + 1).reduce((a, b) => a * b, 1);
  const blocks = dim < 0 ? 1 : shape[dim]!;
  const blockOf = (i: number) => Math.floor(i / inner) % blocks;
  const tops = new Array<number>(blocks).fill(0);
  input.forEach((value, i) => {
    tops[blockOf(i)] = Math.max(tops[blockOf(i)]!, new Uint32Array(Float32Array.of(Math.abs(value)).buffer)[0]!);
  });
  return Array.from(input, (_, i) => tops[blockOf(i)]! < OVERFLOW);
}

/** Zeros of either sign are equal, as the data say. */
function same(checks: Checks, name: string, actual: Float32Array, expected: Float32Array, known: boolean[]): void {
  for (const [i, value] of expected.entries()) {
    if (known[i]) checks.equal(`${name} [${i}]`, hexOf(actual[i]!), hexOf(value));
  }
}

const hexOf = (value: number) => hexOfFloat(value === 0 ? 0 : value);

async function checkDraws(
  checks: Checks,
  name: string,
  quantise: (options: Partial<BlockQuantizeOptions>) => Promise<Float32Array>,
  expected: Omit<ResultJson, 'dim'>,
  known: boolean[],
): Promise<void> {
  const low = floatsOfHex(expected.stochastic_low_hex!);
  const high = floatsOfHex(expected.stochastic_high_hex!);
  const ups = new Uint32Array(low.length);
  for (let step = 0; step < DRAWS; step++) {
    const drawn = await quantise({ rounding: 'stochastic', step });
    for (let i = 0; i < drawn.length; i++) {
      if (!known[i]) continue;
      const isHigh = drawn[i] === high[i];
      if (!isHigh && drawn[i] !== low[i]) checks.ok(`${name} [${i}]: ${drawn[i]} is neither neighbour`, false);
      if (isHigh) ups[i]!++;
    }
  }
  expected.probability_of_high!.forEach((p, i) => {
    if (!known[i] || low[i] === high[i]) return; // equal after saturation
    const tolerance = DEVIATIONS * Math.sqrt((p * (1 - p)) / DRAWS) + RESOLUTION;
    // A draw of one in 400 is too rare for a tolerance of large numbers: three draws are added.
    checks.within(`${name} [${i}] goes up`, Math.abs(ups[i]! / DRAWS - p), tolerance + 3 / DRAWS);
  });
}
