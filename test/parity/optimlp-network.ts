/** Low-precision steps of a chain of linear layers, which the file describes in words: its sizes, operations, values and batch. */
import type { NativeAddon } from '../../src/native/types/addon';
import { Checks } from './lib/checks';
import { lowPrecisionStep, type Parameter } from './lib/low-precision-step';
import { fillHigh, type Seed } from './lib/random';
import { floatsOf, floatsOfHex, floatTensor } from './lib/tensors';

export interface OptimlpCase {
  case: string;
  seed: Seed;
  lr: number;
  momentum: number;
  weight_decay: number;
  steps: {
    output_hex?: string;
    grad_quantised_hex: Record<string, string>;
    weight_hex: Record<string, string>;
    momentum_hex: Record<string, string>;
  }[];
}

export interface NetworkCase extends OptimlpCase {
  /** One word length for weights, gradients, momentum, activations and errors. */
  wl: number;
  /** "linear(6,5, no bias) -> Q -> relu -> linear(5,3, no bias, not wrapped)" */
  layers: string;
  /** Keys of the linear layers, in order. */
  parameter_keys: string[];
  /** "integer (k24 >> 18) - 32, scaled: fc1 weight ordinal 3000000 by 1/64, ..., input of step s 3000010+s by 1/32, ..." */
  values: string;
  batch: number;
}

type Layer = { kind: 'linear'; key: string; inputs: number; outputs: number } | { kind: 'Q' | 'relu' };

/** Rows of `columns` numbers. */
interface Matrix {
  columns: number;
  values: Float32Array;
}

/** The match of a pattern that a description must have. */
export function text(description: string, pattern: RegExp): RegExpExecArray {
  const match = pattern.exec(description);
  if (!match) throw new Error(`"${description}" has nothing like ${pattern}`);
  return match;
}

export async function checkNetwork(addon: NativeAddon, run: NetworkCase): Promise<string> {
  const checks = new Checks();
  const { lr, momentum, weight_decay: weightDecay, wl, batch } = run;
  const hyper = { lr, momentum, weightDecay, lengths: { weight: wl, grad: wl, momentum: wl } };
  const layers = layersOf(run);
  const linear = layers.filter((layer) => layer.kind === 'linear');
  const drawn = drawnValues(run);
  const quantised = async ({ values, columns }: Matrix): Promise<Matrix> => {
    const options = { bits: wl, dim: 0, rounding: 'nearest', device: 'cpu', seed: 1 } as const;
    const tensor = floatTensor(values, [values.length / columns, columns]);
    return { columns, values: floatsOf(await addon.blockQuantize(tensor, options)) };
  };
  const parameters = new Map<string, Parameter>();
  for (const { key, inputs, outputs } of linear) {
    const weight = drawn(`${key.split('.')[0]} weight`, outputs * inputs);
    parameters.set(key, { shape: [outputs, inputs], weight, momentum: new Float32Array(weight.length) });
  }
  const weightOf = (key: string): Matrix => {
    const { shape, weight } = parameters.get(key)!;
    return { columns: shape[1]!, values: weight };
  };

  for (const [s, step] of run.steps.entries()) {
    const first = linear[0]!.inputs;
    const last = linear.at(-1)!.outputs;
    let now: Matrix = { columns: first, values: drawn('input of step s', batch * first, s) };
    const seen: Matrix[] = [];
    for (const layer of layers) {
      seen.push(now);
      if (layer.kind === 'linear') now = product(now, weightOf(layer.key));
      else if (layer.kind === 'Q') now = await quantised(now);
      else now = { ...now, values: now.values.map((value) => Math.max(value, 0)) };
    }
    checks.equal(`step ${s} output`, now.values, floatsOfHex(step.output_hex!));

    const target = drawn('target', batch * last, s);
    let error: Matrix = { columns: last, values: now.values.map((value, i) => value - target[i]!) };
    const gradients = new Map<string, Float32Array>();
    for (const [at, layer] of [...layers.entries()].reverse()) {
      const input = seen[at]!;
      if (layer.kind === 'linear') {
        gradients.set(layer.key, product(transposed(error), transposed(input)).values);
        error = product(error, transposed(weightOf(layer.key)));
      } else if (layer.kind === 'Q') error = await quantised(error);
      else error = { ...error, values: error.values.map((value, i) => (input.values[i]! > 0 ? value : 0)) };
    }

    for (const [key, before] of parameters) {
      const after = await lowPrecisionStep(addon, { ...before, gradient: gradients.get(key) }, hyper);
      checks.equal(`step ${s} gradient of ${key}`, after.gradient!, floatsOfHex(step.grad_quantised_hex[key]!));
      checks.equal(`step ${s} momentum of ${key}`, after.momentum, floatsOfHex(step.momentum_hex[key]!));
      checks.equal(`step ${s} weight of ${key}`, after.weight, floatsOfHex(step.weight_hex[key]!));
      parameters.set(key, after);
    }
  }
  return checks.done();
}

function layersOf({ layers, parameter_keys: keys }: NetworkCase): Layer[] {
  const left = [...keys];
  return layers.split('->').map((part): Layer => {
    const kind = part.trim();
    if (kind === 'Q' || kind === 'relu') return { kind };
    const [, inputs, outputs] = text(kind, /^linear\(\s*(\d+)\s*,\s*(\d+)\s*,\s*no bias\b/);
    return { kind: 'linear', key: left.shift()!, inputs: Number(inputs), outputs: Number(outputs) };
  });
}

/** Draws what the description calls `what`: "(k24 >> 18) - 32" scaled, of an ordinal that may count the steps. */
function drawnValues({ values, seed }: NetworkCase): (what: string, count: number, step?: number) => Float32Array {
  const [, shift, middle] = text(values, /\(k24 >> (\d+)\) - (\d+)/);
  return (what, count, step = 0) => {
    const [, ordinal, counts, scale] = text(values, new RegExp(`${what}(?: ordinal)? (\\d+)(\\+s)? by 1/([\\d.]+)`));
    const number = Number(ordinal) + (counts ? step : 0);
    // k24 is the upper 24 of the upper 32 bits.
    return Float32Array.from(
      fillHigh(new Uint32Array(count), seed, number),
      (high) => ((high >>> (8 + Number(shift))) - Number(middle)) / Number(scale),
    );
  };
}

function transposed({ values, columns }: Matrix): Matrix {
  const rows = values.length / columns;
  return { columns: rows, values: values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!) };
}

/** Returns a b^T. The values are such that no sum rounds. */
function product(a: Matrix, b: Matrix): Matrix {
  const [rows, columns, inner] = [a.values.length / a.columns, b.values.length / b.columns, a.columns];
  const values = Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a.values[row * inner + k]! * b.values[column * inner + k]!;
    return sum;
  });
  return { columns, values };
}
