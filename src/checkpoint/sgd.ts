/**
 * The `optimizer` entry of a checkpoint, as torch.optim.SGD's state_dict:
 * { state: { position: { momentum_buffer } }, param_groups: [{ lr, momentum, ..., params: [position, ...] }] }.
 *
 * Parameters have positions there instead of names. In the reference's models `select.indexes` is a parameter: it takes a position but
 * has no momentum. A model that keeps it as a buffer gives it no position. Both forms are read.
 */
import { EarlybirdError } from '../errors';
import type { StateDict } from '../tensor';
import { type Dict, isDict, isTensor, type Value } from './value';

/** State of an SGD optimiser. */
export interface SgdState {
  /** Momentum by key; parameters without one are absent. */
  momentum: StateDict;
  /** Keys in module order. For a file that the reference can load: all parameters of its model, `*.indexes` included. */
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

/**
 * Momentum and learning rate of a checkpoint, or of its `optimizer` entry. `parameters` are the keys wanted, in module order.
 * `allParameters` are the keys of all parameters, `*.indexes` included; give it where `parameters` leaves them out, to read files of
 * the reference. Throws ERR_CHECKPOINT where there is no optimiser or its positions fit neither list.
 */
export function momentumOf(
  value: Value,
  parameters: readonly string[],
  allParameters: readonly string[] = parameters,
): { momentum: StateDict; lr: number } {
  const optimizer = isDict(value) ? (value.get('optimizer') ?? value) : value;
  const state = isDict(optimizer) ? optimizer.get('state') : undefined;
  const groups = isDict(optimizer) ? optimizer.get('param_groups') : undefined;
  if (!isDict(state) || !Array.isArray(groups) || !groups.every(isDict) || groups.length === 0)
    fail('has no optimizer state; start a new run from its weights instead of resuming');
  const lr = (groups[0] as Dict).get('lr');
  if (typeof lr !== 'number') fail('has an optimizer without a learning rate');

  const ids = (groups as Dict[]).flatMap((group) => (group.get('params') ?? []) as Value[]);
  const keys = keysByPosition(ids.length, parameters, allParameters);
  const wanted = new Set(parameters);
  const momentum: StateDict = new Map();
  for (const [position, id] of ids.entries()) {
    const key = keys[position]!;
    const slot = state.get(id as number);
    const buffer = isDict(slot) ? slot.get('momentum_buffer') : undefined;
    if (isTensor(buffer) && wanted.has(key)) momentum.set(key, buffer);
  }
  return { momentum, lr };
}

/** The list of keys that has as many entries as the optimiser has positions. */
function keysByPosition(
  count: number,
  parameters: readonly string[],
  allParameters: readonly string[],
): readonly string[] {
  const trained = allParameters.filter((key) => !/(^|\.)indexes$/.test(key));
  const keys = [allParameters, trained, parameters].find(({ length }) => length === count);
  return (
    keys ??
    fail(`has an optimizer for ${count} parameters, but the model has ${allParameters.length}; it is of another model`)
  );
}

function fail(what: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', `the checkpoint ${what}`);
}
