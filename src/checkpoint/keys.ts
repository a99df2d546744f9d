/** Names of the parts of a checkpoint: the reference's keys, and one spelling for those of its variants. */
import { EarlybirdError } from '../errors';
import type { StateDict } from '../tensor';
import { extrasOf, fromJson } from './extras';
import { contentOf, findWeights } from './places';
import { SAVE_WEIGHTS } from './refuse';
import { type Dict, isDict, isTensor, numbersOf, Opaque, OrderedDict, UnreadTensor, type Value } from './value';
import { type Unwrapped, unwrap } from './wrappers';

/**
 * Convolutions of the reference's models, each of which a quantiser wraps in low precision: the keys are
 * `feature.3.0.weight`, `layer1.0.conv2.0.weight`, `layer1.0.downsample.0.0.weight`.
 */
const WRAPPED = /^(?:.*\.)?(?:feature\.\d+|conv\d+|downsample\.0)$/;
/** A tensor that would be a quantised convolution's: its module, and its name there. */
const QUANTISED = /^(.+)\.0\.(weight|bias)$/;
/** Matches entries of modules that are not tensors. */
const EXTRA_STATE = /(^|\.)_extra_state$/;
/** Kinds of layers that have a tensor called weight. */
const WEIGHTED = ['conv', 'batchnorm', 'linear'];

/** A layer of a network that is data. */
export interface NamedLayer {
  /** Key of its weights. */
  name: string;
  kind: string;
}

/**
 * The weights of a checkpoint under the keys of the full-precision model: of its `state_dict`, of an entry that scripts
 * use instead (`model`, `net`, ...), or of a bare dictionary of tensors. Prefixes of PyTorch's wrappers are taken off.
 * `layers` are those of the network where that is data and the file does not hold it. Anything unusual in this is
 * reported in one line of `log`. Throws ERR_CHECKPOINT; `name` is the file's name in messages.
 */
export function stateDictOf(
  value: Value,
  name = 'the checkpoint',
  log?: (line: string) => void,
  layers?: readonly NamedLayer[],
): StateDict {
  const dict = dictOf(value, name);
  const place = findWeights(dict, name);
  if (!place)
    fail(
      `${name} has no weights (no dictionary of tensors): ${contentOf(dict)}; name a file with weights, or where they lie by --key`,
    );
  const { weights, where, others } = place;
  const known = layersIn(dict) ?? layers;
  const { plain: names, prefixes } = unprefixed(weights, known);
  const plain = plainKeys([...names.values()], convolutionsOf(known));
  const state: StateDict = new Map();
  const left: string[] = [];
  for (const [key, tensor] of weights) {
    const unwrapped = names.get(key as string);
    if ((unwrapped === undefined && typeof key === 'string') || (EXTRA_STATE.test(String(key)) && !isTensor(tensor))) {
      left.push(String(key));
      continue;
    }
    if (unwrapped === undefined || !isTensor(tensor)) fail(`${name}${notAWeight(String(key), tensor)}`);
    const own = plain.get(unwrapped)!;
    if (state.has(own)) fail(`${name} has two tensors for ${own}; keep only the keys of one model`);
    state.set(own, tensor);
  }
  const notes = [
    `the weights are those ${where === '' ? 'of the file' : `under ${where}`}`,
    ...(prefixes.length > 0 ? [`the prefix ${prefixes.slice(0, 3).join(', ')} is taken off their keys`] : []),
    ...(left.length > 0 ? [leftOut(left)] : []),
    ...(others.length > 0 && !extrasOf(dict) ? [`others are under ${others.join(', ')} (--key takes them)`] : []),
  ];
  if (notes.length > 1 || (where !== '' && where !== 'state_dict')) log?.(`${name}: ${notes.join('; ')}`);
  return state;
}

function leftOut(keys: readonly string[]): string {
  const shown = keys.slice(0, 3).join(', ');
  const more = keys.length > 3 ? ` and ${keys.length - 3} more` : '';
  return `${shown}${more} ${keys.length > 1 ? 'are not weights of the network and are' : 'is not a weight and is'} left out`;
}

/** Says why an entry of a state dict cannot be taken, and what to do. */
function notAWeight(key: string, value: Value): string {
  if (value instanceof UnreadTensor) {
    const { dtype, shape, reason } = value;
    return ` cannot give weights: the tensor ${JSON.stringify(key)} (${dtype}, shape (${shape.join(', ')})) ${reason}; save it as float32`;
  }
  if (value instanceof Opaque)
    return ` cannot give weights: ${JSON.stringify(key)} is a Python object, ${value}; ${SAVE_WEIGHTS}`;
  return ` has something other than a tensor under ${JSON.stringify(key)}, so it is not a state dict; name a file with state_dict, or where the weights lie by --key`;
}

/**
 * The key of the full-precision model for each key of a model: where a quantiser wraps a convolution, it is taken off.
 * `convolutions` are the names of the network's; without them they are known by the reference's names, and a module
 * that holds more than the convolution is no quantiser (a Sequential of convolution and BatchNorm).
 */
export function plainKeys(keys: readonly string[], convolutions?: ReadonlySet<string>): Map<string, string> {
  const holdsMore = new Set(keys.filter((key) => !QUANTISED.test(key)).flatMap(outerModules));
  const isWrapped = (module: string) =>
    convolutions ? convolutions.has(module) : WRAPPED.test(module) && !holdsMore.has(module);
  return new Map(
    keys.map((key) => {
      const [, module, tensor] = QUANTISED.exec(key) ?? [];
      return [key, module !== undefined && isWrapped(module) ? `${module}.${tensor}` : key];
    }),
  );
}

/** The modules around the one that a tensor belongs to: `a` and `a.b` for `a.b.c.weight`. */
function outerModules(key: string): string[] {
  const path = key.split('.').slice(0, -2);
  return path.map((_, i) => path.slice(0, i + 1).join('.'));
}

/** Layers of a network that is data, where a checkpoint of ours holds it. */
function layersIn(dict: Dict): NamedLayer[] | undefined {
  const network = fromJson(extrasOf(dict)?.get('network'));
  const layers = isDict(network) ? network.get('layers') : undefined;
  if (!Array.isArray(layers)) return undefined;
  return layers.filter(isDict).map((layer) => ({ name: String(layer.get('name')), kind: String(layer.get('kind')) }));
}

/** Names of the convolutions among these layers. */
function convolutionsOf(layers: readonly NamedLayer[] | undefined): ReadonlySet<string> | undefined {
  return layers && new Set(layers.flatMap(({ kind, name }) => (kind === 'conv' ? [name] : [])));
}

/**
 * Takes the prefixes of wrappers off. Where the layers are known and all have their weights under their own names, none
 * is a prefix, as a layer may be called `net.0` itself.
 */
function unprefixed(weights: Dict, layers: readonly NamedLayer[] | undefined): Unwrapped {
  const keys = [...weights.keys()].filter((key) => typeof key === 'string');
  const own = new Set(plainKeys(keys, convolutionsOf(layers)).values());
  const isWhole = layers?.every(({ kind, name }) => !WEIGHTED.includes(kind) || own.has(`${name}.weight`));
  return isWhole ? { plain: new Map(keys.map((key) => [key, key])), prefixes: [] } : unwrap(keys);
}

/**
 * State dict with the keys of the low-precision model, in which a quantiser wraps each of these convolutions (keys such
 * as "feature.0").
 */
export function wrappedKeys(state: StateDict, convolutions: readonly string[]): StateDict {
  const wrapped = new Map<string, string>(
    convolutions.flatMap((key) => ['weight', 'bias'].map((name) => [`${key}.${name}`, `${key}.0.${name}`] as const)),
  );
  return new Map([...state].map(([key, tensor]) => [wrapped.get(key) ?? key, tensor]));
}

/** True for weights of a low-precision model. */
export function hasWrappedKeys(value: Value): boolean {
  const weights = isDict(value) ? findWeights(value, 'the checkpoint')?.weights : undefined;
  if (!weights) return false;
  const layers = layersIn(value as Dict);
  const { plain } = unprefixed(weights, layers);
  return [...plainKeys([...plain.values()], convolutionsOf(layers))].some(([key, own]) => key !== own);
}

/** A state dict as part of a checkpoint for {@link writeCheckpoint}: PyTorch reads it as an OrderedDict. */
export function stateDictValue(state: StateDict): Value {
  return new OrderedDict(state);
}

/** Matches buffers of the reference's models. All other tensors, `select.indexes` included, are parameters there. */
const BUFFER = /(^|\.)(running_mean|running_var|num_batches_tracked)$/;

/** Keys of the parameters of the reference's model, in the order of its optimiser. */
export function parameterKeys(state: StateDict): string[] {
  return [...state.keys()].filter((key) => !BUFFER.test(key));
}

/**
 * Channel widths of a pruned model ('M' is a max-pool), or undefined where the file has none. Throws ERR_CHECKPOINT on widths that
 * are not channel counts; `name` is the file's name in messages.
 */
export function cfgOf(value: Value, name = 'the checkpoint'): (number | 'M')[] | undefined {
  const dict = dictOf(value, name);
  const metadata = dict.get('metadata');
  // A safetensors file holds only text beside its tensors, so its cfg is JSON.
  const cfg = dict.get('cfg') ?? (isDict(metadata) ? fromJson(metadata.get('cfg')) : undefined);
  if (cfg === undefined || cfg === null) return undefined;
  if (!Array.isArray(cfg)) fail(`${name} has a cfg that is not a list; prune the model again`);
  const bad = cfg.findIndex((width) => width !== 'M' && !(Number.isSafeInteger(width) && (width as number) > 0));
  if (bad >= 0)
    fail(`${name} has a cfg with ${describe(cfg[bad]!)}, neither a channel count nor 'M'; prune the model again`);
  return cfg as (number | 'M')[];
}

/** The field `epoch`: completed epochs (one more in EB files), or undefined. */
export function epochOf(value: Value): number | undefined {
  const epoch = scalar(isDict(value) ? value.get('epoch') : undefined);
  return Number.isSafeInteger(epoch) ? epoch : undefined;
}

/** The best accuracy so far in percent (`best_prec1`; `prec1` in SWA files), or undefined. */
export function bestOf(value: Value): number | undefined {
  return isDict(value) ? scalar(value.get('best_prec1') ?? value.get('prec1')) : undefined;
}

/** The value of a number, or of a tensor with one element. */
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

function describe(value: Value): string {
  if (Array.isArray(value)) return 'a list';
  if (isTensor(value)) return 'a tensor';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}

function fail(message: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', message);
}
