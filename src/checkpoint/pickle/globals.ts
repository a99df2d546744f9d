/**
 * Maps the Python objects named in a checkpoint to plain data, tensors, or a leaf that is not read. The known names are
 * those that `torch.load(weights_only=True)` takes (torch/_weights_only_unpickler.py), and numpy's scalars.
 */
import type { Dtype } from '../../tensor';
import { dtypeNamed } from '../dtypes';
import { refuse } from '../refuse';
import { isBytes, isDict, OrderedDict } from '../value';
import { isAttack } from './attacks';
import { addItem, type Builder, Global, type Item, type LookUp, type Machine, UnknownGlobal } from './item';
import { numpyScalar, numpyType } from './numpy-scalar';
import { integers, TENSOR_BUILDERS } from './tensors';

const STORAGES: Record<string, string> = {
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
  ComplexFloatStorage: 'complex64',
  ComplexDoubleStorage: 'complex128',
  QInt8Storage: 'qint8',
  QUInt8Storage: 'quint8',
  QInt32Storage: 'qint32',
  QUInt4x2Storage: 'quint4x2',
  QUInt2x4Storage: 'quint2x4',
  UntypedStorage: 'uint8',
  _UntypedStorage: 'uint8',
};

/** The storage class PyTorch writes for a dtype. */
export const STORAGE_OF_DTYPE = Object.fromEntries(
  Object.entries(STORAGES)
    .filter(([name]) => !name.includes('Untyped'))
    .map(([name, dtype]) => [dtype, name]),
) as Record<Dtype, string>;

const STORAGE_CLASS = /^torch(?:\.cuda|\.storage)?\.(\w+)$/;
/** Matches constants, which become their own names as text. */
const TORCH_CONSTANT = /^torch\.(\w+_format|per_(?:tensor|channel)_\w+|strided|jagged|sparse_\w+|_mkldnn)$/;

const BUILDERS: Record<string, Builder> = {
  ...TENSOR_BUILDERS,
  'collections.OrderedDict': orderedDict,
  'collections.Counter': counter,
  'torch.Size': ([sizes]) => integers(sizes),
  'torch.device': device,
  'torch.serialization._get_layout': ([name]) => (typeof name === 'string' ? name : refuse('a layout has no name')),
  'builtins.set': setOf,
  '__builtin__.set': setOf,
  'builtins.frozenset': setOf,
  '__builtin__.frozenset': setOf,
  'builtins.bytearray': byteArray,
  '__builtin__.bytearray': byteArray,
  'builtins.complex': complex,
  '__builtin__.complex': complex,
  '_codecs.encode': encodedBytes,
  'numpy.dtype': numpyType,
  // numpy 2 and numpy 1 name the same function differently.
  'numpy._core.multiarray.scalar': numpyScalar,
  'numpy.core.multiarray.scalar': numpyScalar,
};

/** The object that a name stands for. Refuses names that only an attack uses. */
export const lookUpGlobal: LookUp = (name) => {
  if (Object.hasOwn(BUILDERS, name)) return new Global(name, BUILDERS[name]);
  const storage = STORAGE_CLASS.exec(name)?.[1] ?? '';
  if (Object.hasOwn(STORAGES, storage)) return new Global(name, undefined, STORAGES[storage]);
  if (TORCH_CONSTANT.test(name) || (name.startsWith('torch.') && dtypeNamed(name.slice('torch.'.length)))) return name;
  if (isAttack(name))
    refuse(
      `it asks for the Python object ${JSON.stringify(name)}, which no checkpoint needs (nothing was run)`,
      'it may be an attack on those who load it: do not use it',
    );
  return new UnknownGlobal(name);
};

function orderedDict(args: Item[], { budget }: Machine): Item {
  const dict = new OrderedDict();
  budget.node(256);
  // Python 2 passes the items as a list of pairs.
  const pairs = args[0] ?? [];
  if (args.length > 1 || !Array.isArray(pairs)) refuse('an OrderedDict has unexpected arguments');
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) refuse('an OrderedDict has an item that is not a pair');
    budget.node(96);
    addItem(dict, pair[0] as Item, pair[1] as Item);
  }
  return dict;
}

/** A dictionary of counts, such as the milestones of a MultiStepLR. */
function counter([counts]: Item[], { budget }: Machine): Item {
  if (counts === undefined) {
    budget.node(256);
    return new Map();
  }
  return isDict(counts) ? counts : refuse('a Counter has no counts');
}

function device([type, index]: Item[]): string {
  if (typeof type !== 'string') refuse('a torch.device has no type');
  return typeof index === 'number' ? `${type}:${index}` : type;
}

function setOf([members = []]: Item[]): Item {
  return Array.isArray(members) ? members : refuse('a set has no list of members');
}

/** A complex number as text, as Python prints it. */
function complex([real = 0, imaginary = 0]: Item[]): string {
  if (typeof real !== 'number' || typeof imaginary !== 'number') refuse('a complex number is not made of two numbers');
  const sign = imaginary < 0 || Object.is(imaginary, -0) ? '-' : '+';
  return `(${real}${sign}${Math.abs(imaginary)}j)`;
}

/** A bytearray from (bytes), (text, encoding) or nothing. */
function byteArray([content, encoding]: Item[], machine: Machine): Item {
  if (content === undefined) return new Uint8Array(0);
  return isBytes(content) ? content : encodedBytes([content, encoding === 'latin-1' ? 'latin1' : encoding!], machine);
}

/** Bytes from `_codecs.encode(text, 'latin1')`, as protocol 2 writes them. */
export function encodedBytes([text, encoding]: Item[], machine: Machine): Item {
  if (typeof text !== 'string' || encoding !== 'latin1') refuse('bytes are written in an unknown way');
  machine.budget.node(64 + text.length);
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
