/**
 * The Python names a checkpoint may mention, and what each means here. This list is the whole of what a file can "call":
 * every entry builds plain data, nothing is looked up, imported or run. A name that is not listed refuses the file.
 */
import type { Dtype, TensorData } from '../../tensor';
import { refuse } from '../refuse';
import { type Dict, isBytes, isDict, isTensor, OrderedDict, type Value } from '../value';
import { Global, type Item, type Machine, Storage, StorageView } from './item';
import { numpyScalar, numpyType } from './numpy-scalar';

const STORAGES: Record<string, Dtype> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

/** The storage class PyTorch writes for a dtype. */
export const STORAGE_OF_DTYPE = Object.fromEntries(
  Object.entries(STORAGES).map(([name, dtype]) => [dtype, name]),
) as Record<Dtype, string>;

/** `torch.float32` and its like are data here: their own name. */
const TORCH_DTYPES = /^torch\.(float(16|32|64)?|double|half|bfloat16|u?int8|int(16|32|64)?|long|short|bool)$/;

const BUILDERS: Record<string, (args: Item[], machine: Machine) => Item> = {
  'collections.OrderedDict': (args, machine) => orderedDict(args, machine),
  'torch._utils._rebuild_tensor': (args, machine) => tensor(args, machine),
  'torch._utils._rebuild_tensor_v2': (args, machine) => tensor(args, machine),
  'torch._utils._rebuild_parameter': (args) => wrappedTensor(args),
  'torch._utils._rebuild_parameter_with_state': (args) => wrappedTensor(args),
  'torch.Size': (args) => integers(args[0]),
  'torch.device': ([type, index]) => device(type, index),
  'builtins.set': (args) => setOf(args),
  '__builtin__.set': (args) => setOf(args),
  '_codecs.encode': (args, machine) => encodedBytes(args, machine),
  'numpy.dtype': (args) => numpyType(args),
  // numpy 2 and numpy 1 spell the same function differently.
  'numpy._core.multiarray.scalar': (args) => numpyScalar(args),
  'numpy.core.multiarray.scalar': (args) => numpyScalar(args),
};

/** The listed global `module.name`; refuses any other. */
export function lookUp(module: string, name: string): Item {
  const full = `${module}.${name}`;
  if (Object.hasOwn(BUILDERS, full)) return new Global(full, BUILDERS[full]);
  if ((module === 'torch' || module === 'torch.cuda') && Object.hasOwn(STORAGES, name))
    return new Global(full, undefined, STORAGES[name]);
  if (TORCH_DTYPES.test(full)) return full;
  refuse(
    `it asks for the Python object ${JSON.stringify(full)}, which is not among those a checkpoint needs (nothing was run)`,
  );
}

function orderedDict(args: Item[], machine: Machine): Item {
  const dict = new OrderedDict();
  machine.budget.node(256);
  // Python 2 passes the items as a list of pairs.
  const pairs = args[0] ?? [];
  if (args.length > 1 || !Array.isArray(pairs)) refuse('an OrderedDict has unexpected arguments');
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) refuse('an OrderedDict has an item that is no pair');
    addItem(dict, pair[0] as Item, pair[1] as Item);
  }
  return dict;
}

/** dict[key] = item, where key is a string or an integer that is not there yet. */
export function addItem(dict: Dict, key: Item, item: Item): void {
  if (typeof key !== 'string' && !Number.isSafeInteger(key))
    refuse('a dictionary has a key that is neither text nor an integer');
  if (dict.has(key as string | number)) refuse(`the key ${JSON.stringify(key)} stands twice in one dictionary`);
  // Intermediate items are weeded out when the finished tree is walked.
  dict.set(key as string | number, item as Value);
}

/** (storage, offset, sizes, strides, ...): what follows (requires_grad, hooks, metadata) is not data. */
function tensor([source, start, sizes, steps]: Item[], machine: Machine): Item {
  const shape = integers(sizes);
  const strides = integers(steps);
  const [offset] = integers([start as Value]) as [number];
  const storage = source instanceof StorageView ? source.base : source;
  if (!(storage instanceof Storage)) refuse('a tensor has no storage');
  // The end of a view is checked here, that of a storage when its bytes are known.
  const last = shape.reduce((at, size, d) => at + (size - 1) * strides[d]!, offset);
  if (source instanceof StorageView && !(offset >= 0 && last < source.numel))
    refuse('a tensor reaches beyond its storage');

  machine.budget.node(512);
  const { dtype } = storage;
  const made: TensorData = { dtype, shape, data: new Uint8Array(0) };
  const from = source instanceof StorageView ? source.offset + offset : offset;
  machine.pending.push({ tensor: made, storage, view: { dtype, offset: from, shape, strides } });
  return made;
}

/** A copy, because the file may still change its own list. PyTorch allows 64 dimensions. */
function integers(items: Item | undefined): number[] {
  if (!Array.isArray(items) || items.length > 64 || !items.every(Number.isSafeInteger))
    refuse('a tensor has sizes, strides or an offset that are no integers');
  return [...items] as number[];
}

function wrappedTensor([inner]: Item[]): Item {
  return isTensor(inner) ? inner : refuse('a Parameter holds no tensor');
}

function device(type: Item | undefined, index: Item | undefined): string {
  if (typeof type !== 'string') refuse('a torch.device has no type');
  return typeof index === 'number' ? `${type}:${index}` : type;
}

function setOf([members]: Item[]): Item {
  return Array.isArray(members) ? members : refuse('a set has no list of members');
}

/** `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes. */
function encodedBytes([text, encoding]: Item[], machine: Machine): Item {
  if (typeof text !== 'string' || encoding !== 'latin1') refuse('bytes are written in an unknown way');
  machine.budget.node(64 + text.length);
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** True for what may be part of a result. */
export function isPlain(item: Item): item is Value {
  if (item === null || typeof item !== 'object') return item !== undefined;
  return Array.isArray(item) || isDict(item) || isBytes(item) || isTensor(item);
}
