/** The Python names that a checkpoint may use. Every entry builds plain data; any other name refuses the file. */
import type { Dtype, TensorData } from '../../tensor';
import { refuse } from '../refuse';
import { isTensor, OrderedDict, type Value } from '../value';
import { addItem, type Builder, Global, type Item, type LookUp, type Machine, Storage } from './item';
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

/** A dtype such as `torch.float32` is data: its own name. */
const TORCH_DTYPES = /^torch\.(float(16|32|64)?|double|half|bfloat16|u?int8|int(16|32|64)?|long|short|bool)$/;

const BUILDERS: Record<string, Builder> = {
  'collections.OrderedDict': orderedDict,
  'torch._utils._rebuild_tensor': tensor,
  'torch._utils._rebuild_tensor_v2': tensor,
  'torch._utils._rebuild_parameter': wrappedTensor,
  'torch._utils._rebuild_parameter_with_state': wrappedTensor,
  'torch.Size': ([sizes]) => integers(sizes),
  'torch.device': device,
  'builtins.set': setOf,
  '__builtin__.set': setOf,
  '_codecs.encode': encodedBytes,
  'numpy.dtype': numpyType,
  // numpy 2 and numpy 1 spell the same function differently.
  'numpy._core.multiarray.scalar': numpyScalar,
  'numpy.core.multiarray.scalar': numpyScalar,
};

/** The listed global `name`; refuses any other. */
export const lookUpGlobal: LookUp = (name) => {
  if (Object.hasOwn(BUILDERS, name)) return new Global(BUILDERS[name]);
  const storage = /^torch(?:\.cuda)?\.(\w+)$/.exec(name)?.[1] ?? '';
  if (Object.hasOwn(STORAGES, storage)) return new Global(undefined, STORAGES[storage]);
  if (TORCH_DTYPES.test(name)) return name;
  refuse(
    `it asks for the Python object ${JSON.stringify(name)}, which is not among those a checkpoint needs (nothing was run)`,
  );
};

function orderedDict(args: Item[], machine: Machine): Item {
  const dict = new OrderedDict();
  machine.budget.node(256);
  // Python 2 passes the items as a list of pairs.
  const pairs = args[0] ?? [];
  if (args.length > 1 || !Array.isArray(pairs)) refuse('an OrderedDict has unexpected arguments');
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) refuse('an OrderedDict has an item that is not a pair');
    addItem(dict, pair[0] as Item, pair[1] as Item);
  }
  return dict;
}

/** (storage, offset, sizes, strides, ...): what follows (requires_grad, hooks, metadata) is not data. */
function tensor([storage, start, sizes, steps]: Item[], machine: Machine): Item {
  const shape = integers(sizes);
  const strides = integers(steps);
  const [offset] = integers([start as Value]) as [number];
  if (!(storage instanceof Storage)) refuse('a tensor has no storage');
  machine.budget.node(512);
  const { dtype } = storage;
  const made: TensorData = { dtype, shape, data: new Uint8Array(0) };
  machine.pending.push({ tensor: made, storage, view: { dtype, offset, shape, strides } });
  return made;
}

/** A copy, because the file may still change its own list. PyTorch allows 64 dimensions. */
function integers(items: Item | undefined): number[] {
  if (!Array.isArray(items) || items.length > 64 || !items.every(Number.isSafeInteger))
    refuse('a tensor has sizes, strides or an offset that are not integers');
  return [...items] as number[];
}

function wrappedTensor([inner]: Item[]): Item {
  return isTensor(inner) ? inner : refuse('a Parameter does not hold a tensor');
}

function device([type, index]: Item[]): string {
  if (typeof type !== 'string') refuse('a torch.device has no type');
  return typeof index === 'number' ? `${type}:${index}` : type;
}

function setOf([members]: Item[]): Item {
  return Array.isArray(members) ? members : refuse('a set has no list of members');
}

/** `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes. */
export function encodedBytes([text, encoding]: Item[], machine: Machine): Item {
  if (typeof text !== 'string' || encoding !== 'latin1') refuse('bytes are written in an unknown way');
  machine.budget.node(64 + text.length);
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
