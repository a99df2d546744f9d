/** Finds the weights in a checkpoint, which training scripts put under many names. */
import { EarlybirdError } from '../errors';
import { type Dict, isDict, isTensor, type Key, UnreadTensor, type Value } from './value';

/** Usual names, in order of preference: weights that a script trains before averages of them. */
const NAMES = ['state_dict', 'model_state_dict', 'model', 'net', 'network', 'weights', 'params', 'module'];
const AVERAGES = ['state_dict_ema', 'model_ema', 'ema_state_dict', 'ema'];

/** A dictionary of weights, and where it was found. */
interface Place {
  weights: Dict;
  /** Key of the dictionary; '' where the file itself is the dictionary. */
  where: string;
  /** Keys of further dictionaries of weights. */
  others: string[];
}

/**
 * The weights of a checkpoint, or undefined where there are none. Throws ERR_CHECKPOINT where there are several and
 * none has a usual name.
 */
export function findWeights(value: Dict, name: string): Place | undefined {
  const found = [...value].flatMap(([key, entry]) => (isWeights(entry) ? [key] : []));
  const usual = [...NAMES, ...AVERAGES].find((key) => found.includes(key));
  const own = value.get('state_dict');
  const others = (key: Key) => found.filter((other) => other !== key).map(String);
  if (isDict(own) && own.size > 0) return { weights: own, where: 'state_dict', others: others('state_dict') };
  if (isWeights(value)) return { weights: value, where: '', others: [] };
  const key = usual ?? found[0];
  if (key === undefined) return findWithin(value, name);
  if (usual === undefined && found.length > 1)
    fail(`${name} has weights under ${found.map(show).join(', ')}; choose by --key`);
  return { weights: value.get(key) as Dict, where: String(key), others: others(key) };
}

/**
 * Finds weights under a usual name one dictionary further in: { app: { model, optimizer } } of
 * torch.distributed.checkpoint.
 */
function findWithin(value: Dict, name: string): Place | undefined {
  const places = [...value].flatMap(([key, entry]) => {
    const usual = isDict(entry) && [...NAMES, ...AVERAGES].some((inner) => isWeights(entry.get(inner)));
    const place = usual ? findWeights(entry, name) : undefined;
    return place
      ? [{ ...place, where: `${key}.${place.where}`, others: place.others.map((other) => `${key}.${other}`) }]
      : [];
  });
  if (places.length > 1)
    fail(`${name} has weights under ${places.map(({ where }) => where).join(', ')}; choose by --key`);
  return places[0];
}

/**
 * The checkpoint with the weights at the dotted path `key` as its state_dict. Throws ERR_CHECKPOINT where there are
 * none.
 */
export function weightsAt(value: Value, key: string | undefined, name: string): Value {
  if (key === undefined) return value;
  const found = at(value, key.split('.')) ?? underPrefix(value, key, name);
  if (found === undefined) fail(`${name} has nothing under --key ${key}; ${contentOf(value)}`);
  const place = isDict(found) && !isWeights(found) ? findWeights(found, `${key} of ${name}`) : undefined;
  if (!place && !isWeights(found)) fail(`${name} has no dictionary of tensors under --key ${key}; ${contentOf(value)}`);
  return new Map<Key, Value>([
    ...(isDict(value) && !isWeights(value) ? value : []),
    ['state_dict', place?.weights ?? found],
  ]);
}

/** Describes the content of a file, for messages. */
export function contentOf(value: Value): string {
  if (!isDict(value)) return 'it is not a dictionary';
  const keys = [...value.keys()].slice(0, 12).map(show);
  return `it has ${keys.join(', ')}${value.size > 12 ? `, ... (${value.size} in all)` : ''}`;
}

/** True for a dictionary of named tensors without nesting. */
function isWeights(value: Value | undefined): boolean {
  if (!isDict(value)) return false;
  const members = [...value.values()];
  return (
    members.some((member) => isTensor(member) || member instanceof UnreadTensor) &&
    !members.some((member) => Array.isArray(member) || isDict(member)) &&
    [...value.keys()].every((key) => typeof key === 'string')
  );
}

/**
 * The weights whose keys begin with the end of the path, such as "state_dict.student", since one dictionary may hold
 * two networks.
 */
function underPrefix(value: Value, key: string, name: string): Value | undefined {
  const path = key.split('.');
  for (let count = path.length - 1; count >= 0; count--) {
    const head = at(value, path.slice(0, count));
    const place = count > 0 ? head : isDict(value) ? findWeights(value, name)?.weights : undefined;
    if (!isDict(place)) continue;
    const prefix = `${path.slice(count).join('.')}.`;
    const under = [...place].filter(([name]) => typeof name === 'string' && name.startsWith(prefix));
    if (under.length > 0) return new Map(under.map(([name, entry]) => [(name as string).slice(prefix.length), entry]));
  }
  return undefined;
}

/** The value at a path. Keys may contain dots, so every split of the path is tried. */
function at(value: Value, path: readonly string[]): Value | undefined {
  if (path.length === 0) return value;
  for (let count = path.length; count > 0; count--) {
    const head = path.slice(0, count).join('.');
    const next = memberOf(value, head);
    const found = next === undefined ? undefined : at(next, path.slice(count));
    if (found !== undefined) return found;
  }
  return undefined;
}

function memberOf(value: Value, name: string): Value | undefined {
  if (Array.isArray(value)) return /^\d+$/.test(name) ? value[Number(name)] : undefined;
  return isDict(value) ? (value.get(name) ?? value.get(Number(name))) : undefined;
}

const show = (key: Key) => JSON.stringify(String(key));

function fail(message: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', message);
}
