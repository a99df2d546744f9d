/**
 * Reads the pickles of the CIFAR python archives, by the machine of checkpoints with a list of names for arrays of
 * bytes.
 */
import { encodedBytes } from '../../checkpoint/pickle/globals';
import { type Builder, Global, type Item, type LookUp, Stateful } from '../../checkpoint/pickle/item';
import { NumpyType, numpyType } from '../../checkpoint/pickle/numpy-scalar';
import { unpickle } from '../../checkpoint/pickle/read';
import { Budget, refuse } from '../../checkpoint/refuse';
import { elementCount, isBytes, type Value } from '../../checkpoint/value';
import { datasetError } from '../errors';

/** A C-ordered numpy array of bytes, empty until its state arrives. Readers of the result take it as a tensor. */
class ByteArray extends Stateful {
  readonly dtype = 'uint8';
  shape: number[] = [0];
  data: Uint8Array = new Uint8Array();

  /** Takes numpy's state: (version, shape, dtype, Fortran order, bytes). Python 2 passes the bytes as text. */
  setState(state: Item, budget: Budget): void {
    const [, shape, type, fortran, content] = Array.isArray(state) ? (state as Item[]) : [];
    if (!(type instanceof NumpyType) || type.code !== 'u1' || fortran !== false)
      refuse('an array is not of plain bytes');
    if (typeof content === 'string') budget.buffer(content.length);
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    if (!Array.isArray(shape) || !isBytes(bytes) || elementCount(shape) !== bytes.length)
      refuse('an array does not hold as many bytes as its shape says');
    this.shape = shape as number[];
    this.data = bytes;
  }
}

const newArray: Builder = () => new ByteArray();

const BUILDERS: Record<string, Builder | undefined> = {
  // numpy 2 and numpy 1 name the same function differently.
  'numpy._core.multiarray._reconstruct': newArray,
  'numpy.core.multiarray._reconstruct': newArray,
  'numpy.ndarray': undefined,
  'numpy.dtype': numpyType,
  '_codecs.encode': encodedBytes,
};

const lookUp: LookUp = (name) => {
  if (Object.hasOwn(BUILDERS, name)) return new Global(name, BUILDERS[name]);
  refuse(`it names ${name}, which has no place in a data file`);
};

/** Memory per byte of the file: pixels that Python 3 wrote as text take up to three times their bytes. */
const BUDGET_PER_BYTE = 4;

/** Reads the value of a CIFAR pickle; strings of Python 2 become latin1 text. Throws ERR_DATASET naming `file`. */
export function readBatchPickle(bytes: Uint8Array, file: string): Value {
  try {
    return unpickle(bytes, 0, new Budget(BUDGET_PER_BYTE * bytes.length), lookUp).value;
  } catch (error) {
    throw datasetError(
      `${file} is not a CIFAR batch as the official python archives hold them (${(error as Error).message}); fetch the archive again.`,
    );
  }
}
