import type { StateDict, TensorData } from '../../../src/tensor';
import { centred, gammas, type Seed, uniform } from './random';
import { elements, floatTensor } from './tensors';

/** The kinds of state dict entries that the generator tells apart. */
export type Kind =
  | 'conv_weight'
  | 'conv_bias'
  | 'linear_weight'
  | 'linear_bias'
  | 'bn_weight'
  | 'bn_bias'
  | 'bn_mean'
  | 'bn_var'
  | 'indexes'
  | 'count';

export interface Entry {
  key: string;
  shape: number[];
  kind: Kind;
  /** Scale, where the kind has one. */
  c: number | undefined;
  /** Ordinal of the generator; `count` takes none. */
  ordinal: number | undefined;
}

/** A gamma mode of the generator, or the gammas themselves (by BN number, 0-based, in state dict order). */
export type Gamma = string | ((generated: Float32Array, bn: number) => Float32Array);

function kindOf(state: StateDict, key: string, shape: number[]): Kind {
  const dot = key.lastIndexOf('.');
  const owner = key.slice(0, dot);
  switch (key.slice(dot + 1)) {
    case 'num_batches_tracked':
      return 'count';
    case 'indexes':
      return 'indexes';
    case 'running_mean':
      return 'bn_mean';
    case 'running_var':
      return 'bn_var';
    case 'weight':
      return shape.length === 4 ? 'conv_weight' : shape.length === 2 ? 'linear_weight' : 'bn_weight';
    case 'bias':
      if (state.has(`${owner}.running_mean`)) return 'bn_bias';
      return state.get(`${owner}.weight`)?.shape.length === 4 ? 'conv_bias' : 'linear_bias';
    default:
      throw new Error(`the generator has no rule for state dict entry '${key}'`);
  }
}

const sixDigits = (value: number): number => Number(value.toPrecision(6));

function scaleOf(kind: Kind, shape: number[], gain: number): number | undefined {
  switch (kind) {
    case 'conv_weight':
      return sixDigits((2 * gain) / Math.sqrt(elements(shape.slice(1))));
    case 'linear_weight':
      return sixDigits(2 / Math.sqrt(shape[1]!));
    case 'conv_bias':
    case 'linear_bias':
    case 'bn_bias':
    case 'bn_mean':
      return 0.2;
    default:
      return undefined;
  }
}

/** The generator's view of a state dict: kinds, scales and ordinals in the order of its entries. */
export function layoutOf(state: StateDict, gain: number): Entry[] {
  let next = 0;
  return [...state].map(([key, { shape }]) => {
    const kind = kindOf(state, key, shape);
    return { key, shape, kind, c: scaleOf(kind, shape, gain), ordinal: kind === 'count' ? undefined : next++ };
  });
}

export function valuesOf(entry: Entry, seed: Seed): Float32Array {
  const count = elements(entry.shape);
  const ordinal = entry.ordinal!;
  switch (entry.kind) {
    case 'bn_weight':
      return uniform(count, seed, ordinal);
    case 'bn_var':
      return uniform(count, seed, ordinal, 0.5);
    case 'indexes':
      return new Float32Array(count).fill(1);
    default:
      return centred(count, seed, ordinal, entry.c!);
  }
}

const zeroCount = (): TensorData => ({ dtype: 'int64', shape: [], data: new Uint8Array(8) });

/** The same entries with the generator's values. */
export function fill(state: StateDict, seed: Seed, options: { gain: number; gamma: Gamma }): StateDict {
  const { gamma } = options;
  let bn = 0;
  const filled: StateDict = new Map();
  for (const entry of layoutOf(state, options.gain)) {
    if (entry.kind === 'count') {
      filled.set(entry.key, zeroCount());
      continue;
    }
    let values: Float32Array;
    if (entry.kind !== 'bn_weight') values = valuesOf(entry, seed);
    else if (typeof gamma === 'string') values = gammas(entry.shape[0]!, seed, entry.ordinal!, gamma);
    else values = gamma(valuesOf(entry, seed), bn);
    if (entry.kind === 'bn_weight') bn++;
    filled.set(entry.key, floatTensor(values, entry.shape));
  }
  return filled;
}

/** Changes only the gammas, which is cheap where only masks are asked for. Ordinals still count every entry. */
export function withGammas(state: StateDict, seed: Seed, mode: string): StateDict {
  const changed: StateDict = new Map(state);
  for (const entry of layoutOf(state, 1)) {
    if (entry.kind !== 'bn_weight') continue;
    changed.set(entry.key, floatTensor(gammas(entry.shape[0]!, seed, entry.ordinal!, mode), entry.shape));
  }
  return changed;
}
