/**
 * Decodes numpy scalars in a pickle to plain numbers and booleans: the reference stores its best accuracy as
 * numpy.float64.
 */

import { refuse } from '../refuse';
import { halfToNumber, isBytes, Opaque } from '../value';
import { type Item, narrow, Stateful } from './item';

const READERS: Record<string, (view: DataView, little: boolean) => number | bigint | boolean> = {
  f8: (view, little) => view.getFloat64(0, little),
  f4: (view, little) => view.getFloat32(0, little),
  f2: (view, little) => halfToNumber(view.getUint16(0, little)),
  i8: (view, little) => view.getBigInt64(0, little),
  u8: (view, little) => view.getBigUint64(0, little),
  i4: (view, little) => view.getInt32(0, little),
  u4: (view, little) => view.getUint32(0, little),
  i2: (view, little) => view.getInt16(0, little),
  u2: (view, little) => view.getUint16(0, little),
  i1: (view) => view.getInt8(0),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0,
};

/** A numpy.dtype of one scalar, for example 'f8'. Its byte order comes later, with its state. */
export class NumpyType extends Stateful {
  private little = true;

  constructor(readonly code: string) {
    super();
  }

  /** Takes numpy's state: (version, byte order, ...). */
  setState(state: Item): void {
    if (!Array.isArray(state) || !['<', '>', '|', '='].includes(state[1] as string))
      refuse('a numpy type has an unknown state');
    this.little = state[1] !== '>';
  }

  read(bytes: Uint8Array): number | bigint | boolean {
    return READERS[this.code]!(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), this.little);
  }
}

/** Result of numpy.dtype(code, align, copy). Types other than real numbers and booleans are not read. */
export function numpyType([code]: Item[]): Item {
  return typeof code === 'string' && Object.hasOwn(READERS, code) ? new NumpyType(code) : new Opaque('numpy.dtype');
}

/** Result of numpy's scalar(dtype, bytes); Python 2 passes the bytes as text. */
export function numpyScalar([type, raw]: Item[]): Item {
  if (type instanceof Opaque) return new Opaque('numpy.generic');
  const bytes = typeof raw === 'string' ? Buffer.from(raw, 'latin1') : raw;
  if (!(type instanceof NumpyType) || !isBytes(bytes)) refuse('a numpy scalar is not made of a type and bytes');
  if (bytes.byteLength !== Number(type.code[1])) refuse('a numpy scalar has the wrong number of bytes');
  const value = type.read(bytes);
  return typeof value === 'bigint' ? narrow(value) : value;
}
