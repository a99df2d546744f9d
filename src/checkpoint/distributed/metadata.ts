/**
 * `.metadata` of torch.distributed.checkpoint: a bare pickle of data classes (torch/distributed/checkpoint/metadata.py, filesystem.py)
 * that says which tensors there are, in which pieces, and where each piece lies.
 */
import { lookUpGlobal } from '../pickle/globals';
import { Global, type Item, type LookUp, Stateful } from '../pickle/item';
import { runPickle } from '../pickle/read';
import { integers } from '../pickle/tensors';
import { type Budget, refuse } from '../refuse';
import { elementCount, isDict, type Value } from '../value';

/** A block of a tensor. */
export interface Piece {
  offsets: number[];
  sizes: number[];
  place: Place;
}

/** Place of an entry: a whole file of torch.save at this offset of a file beside .metadata. */
export interface Place {
  file: string;
  offset: number;
  length: number;
}

/** Entry of the checkpoint under one name: a tensor in pieces, or a Python value. */
export type Entry = { dtype: string; shape: number[]; pieces: Piece[] } | { place: Place };

export interface Metadata {
  entries: Map<string, Entry>;
  /** Keys of each name, from the outermost in; a name that is missing is its own key. */
  paths: Map<string, (string | number)[]>;
}

const CLASSES = [
  'Metadata',
  'TensorStorageMetadata',
  'BytesStorageMetadata',
  'ChunkStorageMetadata',
  'TensorProperties',
  'MetadataIndex',
  '_StorageInfo',
] as const;

/** An instance of a data class, with its attributes by name or, for TensorProperties, by position. */
class Instance extends Stateful {
  private state: Item = null;

  constructor(readonly name: string) {
    super();
  }

  setState(state: Item): void {
    this.state = state;
  }

  get(attribute: string): Item {
    return isDict(this.state) ? (this.state.get(attribute) ?? null) : null;
  }

  /** The first attribute stored by position, which is the element type. */
  get first(): Item {
    return Array.isArray(this.state) ? (this.state[0] ?? null) : this.get('dtype');
  }

  /** Key of an index in the dictionary of pieces. */
  override asKey(): string {
    const [fqn, offset] = [this.get('fqn'), this.get('offset')];
    return indexKey(String(fqn), Array.isArray(offset) ? integers(offset) : null);
  }
}

const indexKey = (fqn: string, offsets: readonly number[] | null) => JSON.stringify([fqn, offsets]);

const lookUp: LookUp = (name) => {
  const own = name.startsWith('torch.distributed.') && CLASSES.find((known) => name.endsWith(`.${known}`));
  if (!own) return lookUpGlobal(name);
  return new Global(name, (_, { budget }) => {
    budget.node(64);
    return new Instance(own);
  });
};

/** Reads `.metadata`. Throws ERR_CHECKPOINT, whose message is a clause. */
export function parseMetadata(bytes: Uint8Array, budget: Budget): Metadata {
  const { root } = runPickle(bytes, 0, budget, lookUp);
  const metadata = instance(root, 'Metadata');
  const places = dict(metadata.get('storage_data'), 'says not where its entries lie');
  const placeOf = (name: string, offsets: readonly number[] | null) =>
    place(name, places.get(indexKey(name, offsets)) ?? refuse(`it says not where ${JSON.stringify(name)} lies`));
  const entries = new Map<string, Entry>();
  for (const [key, item] of dict(metadata.get('state_dict_metadata'), 'says not what it holds')) {
    const name = String(key);
    budget.node(256);
    const entry = item as Item;
    if (entry instanceof Instance && entry.name === 'TensorStorageMetadata')
      entries.set(name, tensorEntry(name, entry, placeOf, budget));
    else entries.set(name, { place: placeOf(name, null) });
  }
  return { entries, paths: pathsOf(metadata.get('planner_data')) };
}

function tensorEntry(
  name: string,
  entry: Instance,
  placeOf: (name: string, offsets: readonly number[]) => Place,
  budget: Budget,
): Entry {
  const shape = integers(entry.get('size'));
  const chunks = entry.get('chunks');
  const dtype = String(instance(entry.get('properties'), 'TensorProperties').first).replace(/^torch\./, '');
  if (!Array.isArray(chunks) || Number.isNaN(elementCount(shape))) refuse(`${JSON.stringify(name)} has no shape`);
  const pieces = (chunks as Item[]).map((item) => {
    budget.node(256);
    const chunk = instance(item, 'ChunkStorageMetadata');
    const [offsets, sizes] = [integers(chunk.get('offsets')), integers(chunk.get('sizes'))];
    return { offsets, sizes, place: placeOf(name, offsets) };
  });
  return { dtype, shape, pieces };
}

function place(name: string, item: Value): Place {
  const info = instance(item, '_StorageInfo');
  const [file, offset, length] = ['relative_path', 'offset', 'length'].map((attribute) => info.get(attribute));
  const isSize = (value: Item | undefined): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (typeof file !== 'string' || !isSize(offset) || !isSize(length))
    refuse(`the place of ${JSON.stringify(name)} is not a file with an offset and a length`);
  if (file === '' || file === '..' || /[/\\\0]/.test(file))
    refuse(`it puts ${JSON.stringify(name)} into a file that is not beside it`);
  const steps = info.get('transform_descriptors');
  if (Array.isArray(steps) && steps.length > 0)
    refuse(`${JSON.stringify(name)} is stored transformed (${steps.join(', ')})`, 'save it without extensions');
  return { file, offset, length };
}

function pathsOf(item: Item): Metadata['paths'] {
  const paths: Metadata['paths'] = new Map();
  // The paths are absent where the state was flat.
  if (!isDict(item)) return paths;
  for (const [name, path] of item) {
    const sound = Array.isArray(path) && path.every((key) => typeof key === 'string' || Number.isSafeInteger(key));
    if (sound && path.length > 0) paths.set(String(name), [...path] as (string | number)[]);
  }
  return paths;
}

function instance(item: Item | Value, name: (typeof CLASSES)[number]): Instance {
  if (item instanceof Instance && item.name === name) return item;
  refuse(`it has something else where ${name} of torch.distributed.checkpoint should be`);
}

const dict = (item: Item, problem: string) => (isDict(item) ? item : refuse(`it ${problem}`));
