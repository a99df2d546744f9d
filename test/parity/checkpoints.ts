import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { isDict, isTensor, numbersOf, type Value } from '../../src/checkpoint/value';
import type { Cfg } from '../../src/native/types/model';
import type { TensorData } from '../../src/tensor';
import { type Case, Skip } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import type { SpecJson } from './lib/reference';
import { SUM_TOLERANCE, sumsOf } from './lib/tensors';

interface TensorJson {
  dtype: string;
  shape: number[];
  sum: number;
  first: number[];
}

type ExpectedJson = null | boolean | number | string | TensorJson | ExpectedJson[] | { [key: string]: ExpectedJson };

interface CheckpointsJson {
  model: SpecJson;
  good: { file: string; container: 'zip' | 'legacy'; top_level_keys: string[]; expected: ExpectedJson }[];
  bad: { file: string; expect: string }[];
}

/** Files that must be read, to the last value; hostile and damaged files that must be refused. */
export function* cases(context: Context): Iterable<Case> {
  const { model, good, bad } = context.reference.json<CheckpointsJson>('checkpoints.json');
  const path = (file: string) => context.reference.path(`checkpoints/${file}`);
  for (const { file, container, top_level_keys, expected } of good) {
    yield {
      name: `checkpoints good ${file}`,
      run: async () => {
        const { format, value } = await readCheckpoint(path(file));
        const checks = new Checks();
        checks.equal('container', format, container);
        checks.equal('top level keys', isDict(value) ? [...value.keys()] : value, top_level_keys);
        compare(checks, 'checkpoint', value, expected);
        return checks.done();
      },
    };
  }
  for (const { file, expect } of bad) {
    yield { name: `checkpoints bad ${file}`, run: async () => checkBad(context, path(file), expect, model) };
  }
}

const isTensorJson = (value: ExpectedJson): value is TensorJson =>
  typeof value === 'object' && value !== null && 'dtype' in value && 'shape' in value && 'first' in value;

function compare(checks: Checks, at: string, actual: Value | undefined, expected: ExpectedJson): void {
  if (isTensorJson(expected)) {
    if (isTensor(actual)) compareTensor(checks, at, actual, expected);
    else checks.ok(`${at} is not a tensor`, false);
  } else if (Array.isArray(expected)) {
    const list = Array.isArray(actual) ? actual : [];
    checks.equal(`${at} length`, list.length, expected.length);
    for (const [i, item] of expected.entries()) compare(checks, `${at}[${i}]`, list[i], item);
  } else if (typeof expected === 'object' && expected !== null && 'numpy_scalar' in expected) {
    checks.equal(at, actual, expected.value);
  } else if (typeof expected === 'object' && expected !== null) {
    const dict = isDict(actual) ? actual : new Map<string | number, Value>();
    checks.equal(`${at} keys`, [...dict.keys()].map(String), Object.keys(expected));
    for (const [key, value] of dict)
      if (String(key) in expected) compare(checks, `${at}.${key}`, value, expected[String(key)]!);
  } else {
    // Integers beyond 64 bits arrive as bigint here, and as text from the reference.
    checks.equal(at, typeof actual === 'bigint' ? String(actual) : actual, expected);
  }
}

function compareTensor(checks: Checks, at: string, actual: TensorData, expected: TensorJson): void {
  checks.equal(`${at} dtype`, actual.dtype, expected.dtype);
  checks.equal(`${at} shape`, actual.shape, expected.shape);
  const values = numbersOf(actual);
  checks.equal(`${at} first values`, values.slice(0, expected.first.length), expected.first);
  const { sum, absSum } = sumsOf(values);
  checks.within(`${at} sum`, Math.abs(sum - expected.sum), SUM_TOLERANCE * absSum);
}

async function checkBad(context: Context, file: string, expect: string, other: SpecJson): Promise<string> {
  const refusal = await refusalOf(async () => stateDictOf((await readCheckpoint(file)).value, file));
  // Such an expectation is "refuse (preferred) or load", or "loading the rest or refusing are both fine".
  if (/\bor load\b|both fine/.test(expect)) return refusal ? 'refused' : 'loaded';
  if (/^refuse\b/.test(expect)) {
    if (!refusal) throw new Error(`was read; expected: ${expect}`);
    if (!refusal.message.includes(file)) throw new Error(`the refusal does not name the file: ${refusal.message}`);
    return `refused: ${/cannot be read: ([^;]*)/.exec(refusal.message)?.[1] ?? refusal.message}`;
  }
  if (!/container is fine/.test(expect)) throw new Error(`this expectation is not understood: '${expect}'`);
  if (refusal) throw refusal;
  return checkUnfit(context, file, expect, other);
}

/** The file is whole, but no model can be made of it. */
async function checkUnfit(context: Context, file: string, expect: string, other: SpecJson): Promise<string> {
  const { value } = await readCheckpoint(file);
  const state = stateDictOf(value);
  const cfg = isDict(value) ? (value.get('cfg') as Cfg) : undefined;
  const classes = (state.get('classifier.weight') ?? state.get('fc.weight'))?.shape[0];
  const vgg: SpecJson = { arch: 'vgg', depth: 16, dataset: classes === 100 ? 'cifar100' : 'cifar10' };
  const refusal = await refusalOf(async () => {
    const model = await context.create({ ...(state.has('feature.0.weight') ? vgg : other), cfg });
    await model.loadStateDict(state);
  });
  if (!refusal) throw new Error(`a model was made of it; expected: ${expect}`);
  if (/naming the key/.test(expect) && ![...state.keys()].some((key) => refusal.message.includes(key))) {
    throw new Error(`the refusal names no key: ${refusal.message}`);
  }
  return `refused: ${refusal.message}`;
}

/** The error of a refusal; an error without one of our codes is a fault. */
async function refusalOf(attempt: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    if (error instanceof Skip) throw error;
    const { code, message } = error as { code?: string; message?: string };
    if (code && ['ERR_CHECKPOINT', 'ERR_MODEL', 'ERR_SHAPE'].includes(code)) return error as Error;
    throw new Error(`no refusal but a fault: ${code ?? ''} ${message ?? error}`);
  }
}
