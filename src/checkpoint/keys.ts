/** What the parts of a checkpoint are called: the release's keys, with the spellings its variants use made one. */
import { EarlybirdError } from '../errors';
import type { StateDict } from '../tensor';
import { type Dict, isDict, isTensor, numbersOf, OrderedDict, type Value } from './value';

/**
 * Keys of low-precision models, where a quantiser wraps each convolution: `feature.3.0.weight`, `layer1.0.conv2.0.weight`,
 * `layer1.0.downsample.0.0.weight`. Keys of plain models never match: their `feature.{i}`, `conv{i}` and `downsample.0`
 * are followed by the name of a tensor.
 */
const WRAPPED = /^((?:.*\.)?(?:feature\.\d+|conv\d+|downsample\.0))\.0\.(weight|bias)$/;
/** Put before every key by PyTorch's multi-device wrappers. */
const PREFIX = 'module.';

/**
 * The weights of a checkpoint, under the keys of the plain model: `{ state_dict: ... }` or a bare dictionary of tensors.
 * Throws ERR_CHECKPOINT; `name` is what to call the file in the message.
 */
export function stateDictOf(value: Value, name = 'the checkpoint'): StateDict {
  const dict = dictOf(value, name);
  const source = dict.get('state_dict') ?? dict;
  if (!isDict(source) || source.size === 0)
    fail(`${name} has no weights under state_dict; name a file that a training run wrote`);
  const prefixed = [...source.keys()].every((key) => typeof key === 'string' && key.startsWith(PREFIX));
  const state: StateDict = new Map();
  for (const [key, tensor] of source) {
    if (typeof key !== 'string' || !isTensor(tensor))
      fail(
        `${name} has something else than a tensor under ${JSON.stringify(key)}, so it is no state dict; name a file with state_dict`,
      );
    const plain = plainKey(prefixed ? key.slice(PREFIX.length) : key);
    if (state.has(plain)) fail(`${name} has two tensors for ${plain}; keep only the keys of one model`);
    state.set(plain, tensor);
  }
  return state;
}

/** The key of the full-precision model for one of a low-precision model; others unchanged. */
export function plainKey(key: string): string {
  return key.replace(WRAPPED, '$1.$2');
}

/**
 * The other way round: the keys of the low-precision model, in which a quantiser wraps each of these convolutions. Their names
 * have to be given, since `feature.1` may be a convolution or a BatchNorm layer.
 */
export function wrappedKeys(state: StateDict, convolutions: readonly string[]): StateDict {
  const wrapped = new Map<string, string>(
    convolutions.flatMap((key) => ['weight', 'bias'].map((name) => [`${key}.${name}`, `${key}.0.${name}`] as const)),
  );
  return new Map([...state].map(([key, tensor]) => [wrapped.get(key) ?? key, tensor]));
}

/** Are these the weights of a low-precision model, by their keys? */
export function hasWrappedKeys(value: Value): boolean {
  const state = isDict(value) ? (value.get('state_dict') ?? value) : undefined;
  return isDict(state) && [...state.keys()].some((key) => typeof key === 'string' && WRAPPED.test(key));
}

/** A state dict as part of a checkpoint to be written. */
export function stateDictValue(state: StateDict): Value {
  return new OrderedDict(state);
}

/** Tensors that PyTorch keeps as buffers in the release's models. All others, `select.indexes` included, are parameters there. */
const BUFFER = /(^|\.)(running_mean|running_var|num_batches_tracked)$/;

/** The parameters of the release's model of that state dict, in the order its optimiser counts them. */
export function parameterKeys(state: StateDict): string[] {
  return [...state.keys()].filter((key) => !BUFFER.test(key));
}

/** Channel widths of a pruned model ('M' is a max-pool), or undefined where the file has none. Throws ERR_CHECKPOINT. */
export function cfgOf(value: Value, name = 'the checkpoint'): (number | 'M')[] | undefined {
  const dict = dictOf(value, name);
  const metadata = dict.get('metadata');
  // A safetensors file has only text beside its tensors: there it is JSON.
  const cfg = dict.get('cfg') ?? (isDict(metadata) ? parseJson(metadata.get('cfg')) : undefined);
  if (cfg === undefined || cfg === null) return undefined;
  if (!Array.isArray(cfg)) fail(`${name} has a cfg that is no list; prune the model again`);
  const bad = cfg.findIndex((width) => width !== 'M' && !(Number.isSafeInteger(width) && (width as number) > 0));
  if (bad >= 0)
    fail(`${name} has a cfg with ${describe(cfg[bad]!)}, neither a channel count nor 'M'; prune the model again`);
  return cfg as (number | 'M')[];
}

/** The `epoch` field: completed epochs (EB files: one more), or undefined. */
export function epochOf(value: Value): number | undefined {
  const epoch = scalar(isDict(value) ? value.get('epoch') : undefined);
  return Number.isSafeInteger(epoch) ? epoch : undefined;
}

/** The best accuracy so far in percent (`best_prec1`; `prec1` in SWA files), or undefined. */
export function bestOf(value: Value): number | undefined {
  return isDict(value) ? scalar(value.get('best_prec1') ?? value.get('prec1')) : undefined;
}

/** Numbers may come as numpy scalars (already decoded) or as tensors of one element. */
function scalar(value: Value | undefined): number | undefined {
  if (typeof value === 'number') return value;
  if (isTensor(value)) {
    const numbers = numbersOf(value);
    if (numbers.length === 1) return numbers[0];
  }
  return undefined;
}

function dictOf(value: Value, name: string): Dict {
  if (isDict(value)) return value;
  fail(`${name} holds ${describe(value)} instead of a checkpoint dictionary; name a file that a training run wrote`);
}

function parseJson(text: Value | undefined): Value | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describe(value: Value): string {
  if (Array.isArray(value)) return 'a list';
  if (isTensor(value)) return 'a tensor';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}

function fail(message: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', message);
}
