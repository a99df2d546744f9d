import type { NativeAddon } from '../../src/native/types/addon';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import { lowPrecisionStep, type Parameter } from './lib/low-precision-step';
import type { Context } from './lib/networks';
import { centred, fillHigh, ORDINAL, type Seed } from './lib/random';
import { elements, floatsOf, floatsOfHex, floatTensor } from './lib/tensors';

interface StepJson {
  output_hex?: string;
  grad_quantised_hex: Record<string, string>;
  weight_hex: Record<string, string>;
  momentum_hex: Record<string, string>;
}

interface CaseJson {
  case: string;
  seed: Seed;
  /** One number: 8 bits for all, activations and errors as well. */
  wl: { weight: number; grad: number; momentum: number } | number;
  lr: number;
  momentum: number;
  weight_decay: number;
  shapes?: Record<string, number[]>;
  start_hex?: Record<string, string>;
  steps: StepJson[];
}

/**
 * Three steps on plain tensors, in the order of the wrapper: gradient quantised, SGD in float32, weights quantised (those
 * without gradient too), momentum quantised. test/native/low-precision holds the fused step against the same.
 */
export function* cases(context: Context): Iterable<Case> {
  for (const one of context.reference.json<{ cases: CaseJson[] }>('optimlp.json').cases) {
    const name = `optimlp ${one.case}`;
    yield { name, run: () => (one.shapes ? check : checkNetwork)(context.addon, one) };
  }
}

async function check(addon: NativeAddon, run: CaseJson): Promise<string> {
  const checks = new Checks();
  const { lr, momentum, weight_decay: weightDecay } = run;
  const lengths = lengthsOf(run);
  for (const [ordinal, name] of Object.keys(run.shapes!).entries()) {
    const shape = run.shapes![name]!;
    const weight = floatsOfHex(run.start_hex![name]!);
    let parameter: Parameter = { shape, weight, momentum: new Float32Array(weight.length) };
    for (const [s, step] of run.steps.entries()) {
      const expectedGradient = step.grad_quantised_hex[name];
      const gradient =
        expectedGradient === undefined
          ? undefined
          : centred(elements(shape), run.seed, ORDINAL.misc + 100 * (s + 1) + ordinal, 0.25);
      parameter = await lowPrecisionStep(addon, { ...parameter, gradient }, { lengths, lr, momentum, weightDecay });
      if (expectedGradient !== undefined) {
        same(checks, `step ${s} gradient of ${name}`, parameter.gradient!, expectedGradient);
        same(checks, `step ${s} momentum of ${name}`, parameter.momentum, step.momentum_hex[name]!);
      }
      same(checks, `step ${s} weight of ${name}`, parameter.weight, step.weight_hex[name]!);
    }
  }
  return checks.done();
}

const lengthsOf = ({ wl }: CaseJson) => (typeof wl === 'number' ? { weight: wl, grad: wl, momentum: wl } : wl);

type Matrix = { rows: number; columns: number; at(row: number, column: number): number };
const matrix = (values: Float32Array, columns: number): Matrix => ({
  rows: values.length / columns,
  columns,
  at: (row, column) => values[row * columns + column]!,
});
const transposed = ({ rows, columns, at }: Matrix): Matrix => ({
  rows: columns,
  columns: rows,
  at: (i, j) => at(j, i),
});

/** a b^T. The values are such that no sum rounds. */
function product(a: Matrix, b: Matrix): Float32Array {
  return Float32Array.from({ length: a.rows * b.rows }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < a.columns; k++) sum += a.at(Math.floor(i / b.rows), k) * b.at(i % b.rows, k);
    return sum;
  });
}

/** linear(6, 5) -> quantised -> relu -> linear(5, 3), loss 0.5 * sum((output - target)^2), batches of 4. */
async function checkNetwork(addon: NativeAddon, run: CaseJson): Promise<string> {
  const checks = new Checks();
  const { lr, momentum, weight_decay: weightDecay } = run;
  const lengths = lengthsOf(run);
  const drawn = (count: number, number: number, scale: number) =>
    Float32Array.from(fillHigh(new Uint32Array(count), run.seed, ORDINAL.misc + number), (high) => {
      return ((high >>> 26) - 32) / scale;
    });
  const quantised = async (values: Float32Array, columns: number) => {
    const options = { bits: lengths.grad, dim: 0, rounding: 'nearest', device: 'cpu', seed: 1 } as const;
    return floatsOf(await addon.blockQuantize(floatTensor(values, [values.length / columns, columns]), options));
  };
  const fresh = (weight: Float32Array, columns: number): Parameter => ({
    shape: [weight.length / columns, columns],
    weight,
    momentum: new Float32Array(weight.length),
  });
  const layers: Record<string, Parameter> = {
    'fc1.0.weight': fresh(drawn(30, 0, 64), 6),
    'fc2.weight': fresh(drawn(15, 1, 64), 5),
  };
  for (const [s, step] of run.steps.entries()) {
    const [first, second] = [matrix(layers['fc1.0.weight']!.weight, 6), matrix(layers['fc2.weight']!.weight, 5)];
    const input = matrix(drawn(24, 10 + s, 32), 6);
    const target = drawn(12, 20 + s, 16);
    const hidden = (await quantised(product(input, first), 5)).map((value) => Math.max(value, 0));
    const output = product(matrix(hidden, 5), second);
    same(checks, `step ${s} output`, output, step.output_hex!);
    const error = output.map((value, i) => value - target[i]!);
    const back = product(matrix(error, 3), transposed(second)).map((value, i) => (hidden[i]! > 0 ? value : 0));
    const rounded = matrix(await quantised(back, 5), 5);
    const gradients: Record<string, Float32Array> = {
      'fc1.0.weight': product(transposed(rounded), transposed(input)),
      'fc2.weight': product(transposed(matrix(error, 3)), transposed(matrix(hidden, 5))),
    };
    for (const [name, before] of Object.entries(layers)) {
      const gradient = gradients[name];
      const after = await lowPrecisionStep(addon, { ...before, gradient }, { lengths, lr, momentum, weightDecay });
      same(checks, `step ${s} gradient of ${name}`, after.gradient!, step.grad_quantised_hex[name]!);
      same(checks, `step ${s} momentum of ${name}`, after.momentum, step.momentum_hex[name]!);
      same(checks, `step ${s} weight of ${name}`, after.weight, step.weight_hex[name]!);
      layers[name] = after;
    }
  }
  return checks.done();
}

function same(checks: Checks, what: string, actual: Float32Array, hex: string): void {
  checks.equal(what, actual, floatsOfHex(hex));
}
