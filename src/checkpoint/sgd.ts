/**
 * The `optimizer` entry of a checkpoint, as torch.optim.SGD's state_dict:
 * { state: { position: { momentum_buffer } }, param_groups: [{ lr, momentum, ..., params: [position, ...] }] }.
 *
 * Parameters have positions there instead of names. In the reference's models `select.indexes` is a parameter: it takes a position but
 * has no momentum. A model that keeps it as a buffer gives it no position. Both forms are read.
 */
import { EarlybirdError } from '../errors';
import type { StateDict } from '../tensor';
import { plainKeys } from './keys';
import { type Dict, isDict, isTensor, type Key, type Value } from './value';
import { unwrap } from './wrappers';

/** State of an SGD optimiser. */
export interface SgdState {
  /** Momentum by key; parameters without one are absent. */
  momentum: StateDict;
  /** Keys in module order. A file for the reference needs all parameters of its model, `*.indexes` included. */
  parameters: string[];
  lr: number;
  momentumFactor: number;
  weightDecay: number;
}

/** The `optimizer` entry of a checkpoint that PyTorch's SGD loads. */
export function sgdOptimizerValue({ momentum, parameters, lr, momentumFactor, weightDecay }: SgdState): Value {
  const state: Dict = new Map();
  for (const [position, key] of parameters.entries()) {
    const buffer = momentum.get(key);
    if (buffer) state.set(position, new Map([['momentum_buffer', buffer]]));
  }
  const group = new Map<string, Value>([
    ['lr', lr],
    ['momentum', momentumFactor],
    ['dampening', 0],
    ['weight_decay', weightDecay],
    ['nesterov', false],
    ['maximize', false],
    ['foreach', null],
    ['differentiable', false],
    ['fused', null],
    ['params', parameters.map((_, position) => position)],
  ]);
  return new Map<string, Value>([
    ['state', state],
    ['param_groups', [group]],
  ]);
}

/** Result of {@link momentumOf}. */
export interface RestoredMomentum {
  momentum: StateDict;
  /** Learning rate of the first group of parameters. */
  lr: number;
  /** Reason why there is no momentum although the file has the state of an optimiser. */
  note?: string;
}

/**
 * Momentum and learning rate of a checkpoint, or of its `optimizer` entry. `parameters` are the keys wanted, in module order.
 * `allParameters` are the keys of all parameters, `*.indexes` included; give it where `parameters` leaves them out, to read files of
 * the reference. There is no momentum, but a note, for the state of another optimiser than SGD, and for several groups of parameters
 * without names, whose order is not that of the network. `name` is that of the file in errors. Throws ERR_CHECKPOINT where there is no
 * optimiser or its positions fit neither list.
 */
export function momentumOf(
  value: Value,
  parameters: readonly string[],
  allParameters: readonly string[] = parameters,
  name = 'the checkpoint',
): RestoredMomentum {
  const optimizer = isDict(value) ? (value.get('optimizer') ?? onlyOptimizer(value) ?? value) : value;
  const state = isDict(optimizer) ? optimizer.get('state') : undefined;
  const groups = isDict(optimizer) ? optimizer.get('param_groups') : undefined;
  if (!isDict(state) || !Array.isArray(groups) || !groups.every(isDict) || groups.length === 0)
    fail(name, 'has no optimizer state: start a new run from its weights instead of resuming');
  const lr = (groups[0] as Dict).get('lr');
  if (typeof lr !== 'number')
    fail(name, 'has an optimizer without a learning rate: start a new run from its weights instead of resuming');

  const momentum: StateDict = new Map();
  const foreign = otherOptimizer(state);
  if (foreign) return { momentum, lr, note: foreign };
  const ids = (groups as Dict[]).flatMap((group) => (group.get('params') ?? []) as Value[]);
  // torch.distributed.checkpoint names parameters instead of numbering them.
  const named = ids.every((id) => typeof id === 'string')
    ? ids
    : (groups as Dict[]).flatMap((group) => (group.get('param_names') ?? []) as Value[]);
  if (groups.length > 1 && named.length !== ids.length) {
    const sizes = (groups as Dict[]).map((group) => ((group.get('params') ?? []) as Value[]).length);
    const note = `its optimizer has ${groups.length} groups of parameters (${sizes.join(' and ')}), whose order is not that of the network`;
    return { momentum, lr, note };
  }
  const wanted = new Set(parameters);
  const keys =
    named.length === ids.length ? namesOf(named, wanted) : keysByPosition(name, ids.length, parameters, allParameters);
  for (const [position, id] of ids.entries()) {
    const key = keys[position]!;
    const slot = state.get(id as Key);
    const buffer = isDict(slot) ? slot.get('momentum_buffer') : undefined;
    if (isTensor(buffer) && wanted.has(key)) momentum.set(key, buffer);
  }
  return { momentum, lr };
}

/** The optimiser of a file that holds just one: Lightning keeps a list, other scripts use names of their own. */
function onlyOptimizer(value: Dict): Value | undefined {
  const list = value.get('optimizer_states');
  if (Array.isArray(list)) return list.length === 1 ? list[0] : undefined;
  return value.get('optimizer_state_dict') ?? value.get('optim');
}

/** Entries that PyTorch's other optimisers keep for a parameter, and the optimisers that they belong to. */
const OTHERS: readonly [entry: string, name: string][] = [
  ['exp_avg_sq', 'Adam (or one of its kind)'],
  ['exp_inf', 'Adamax'],
  ['square_avg', 'RMSprop'],
  ['acc_delta', 'Adadelta'],
  ['sum', 'Adagrad'],
  ['prev', 'Rprop'],
  ['ax', 'ASGD'],
];

function otherOptimizer(state: Dict): string | undefined {
  const slots = [...state.values()].filter(isDict);
  const entries = new Set(slots.flatMap((slot) => [...slot.keys()].map(String)));
  if (entries.size === 0 || entries.has('momentum_buffer')) return undefined;
  const name = OTHERS.find(([entry]) => entries.has(entry))?.[1] ?? 'another kind';
  return `its optimizer is ${name}, not SGD (its state has ${[...entries].slice(0, 4).join(', ')})`;
}

/**
 * Keys of the plain network: names of a wrapped model have its prefix, and those of a low-precision model its
 * quantisers.
 */
function namesOf(names: readonly Value[], wanted: ReadonlySet<string>): readonly string[] {
  const texts = names.map(String);
  if (texts.every((name) => wanted.has(name))) return texts;
  const { plain } = unwrap(texts);
  const unwrapped = texts.map((name) => plain.get(name) ?? name);
  const own = plainKeys(unwrapped);
  return unwrapped.map((name) => (wanted.has(name) ? name : own.get(name)!));
}

/** The list of keys that has as many entries as the optimiser has positions. */
function keysByPosition(
  name: string,
  count: number,
  parameters: readonly string[],
  allParameters: readonly string[],
): readonly string[] {
  const trained = allParameters.filter((key) => !/(^|\.)indexes$/.test(key));
  const keys = [allParameters, trained, parameters].find(({ length }) => length === count);
  return (
    keys ??
    fail(
      name,
      `has an optimizer for ${count} parameters, but the model has ${allParameters.length}: it is of another model, so take its own checkpoint`,
    )
  );
}

function fail(name: string, what: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', `${name} ${what}.`);
}
