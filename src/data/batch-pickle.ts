/**
 * Reads the pickles of the CIFAR python archives, and nothing more.
 *
 * A pickle is a program for a small stack machine. This reader knows only the instructions that build what those files hold (dicts,
 * lists, tuples, strings, whole numbers, arrays of bytes) and the two NumPy constructors they name; anything else is refused, and no
 * name is ever looked up or called. Instruction codes: CPython's Lib/pickletools.py.
 */
import { EarlybirdError } from '../errors';

/** A C-ordered uint8 array. */
export interface ByteArray {
  shape: number[];
  data: Uint8Array;
}

export type PickleValue =
  | number
  | boolean
  | null
  | string
  | Uint8Array
  | PickleValue[]
  | Map<string, PickleValue>
  | ByteArray
  | Name;

/** A global that the pickle names: only those below are let through. */
class Name {
  constructor(readonly text: string) {}
}
const RECONSTRUCT = ['numpy.core.multiarray._reconstruct', 'numpy._core.multiarray._reconstruct'];
const ALLOWED = [...RECONSTRUCT, 'numpy.ndarray', 'numpy.dtype', '_codecs.encode'];

/** An array between its construction and the BUILD instruction that fills it. */
interface Shell extends ByteArray {
  dtype?: string;
}

/** The value a CIFAR pickle holds; byte strings come as text (latin1), except an array's data. Throws ERR_DATASET naming `file`. */
export function readBatchPickle(bytes: Uint8Array, file: string): PickleValue {
  try {
    return new Machine(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).run();
  } catch (error) {
    throw new EarlybirdError(
      'ERR_DATASET',
      `${file} is not a CIFAR batch as the official python archives hold them (${(error as Error).message}); fetch the archive again.`,
    );
  }
}

const MARK = Symbol('mark');

/** Instructions that put one value on the stack. */
const VALUES: Record<string, (machine: Machine) => PickleValue> = {
  // Whole numbers, truth, nothing.
  K: (m) => m.take(1).readUInt8(),
  M: (m) => m.take(2).readUInt16LE(),
  J: (m) => m.take(4).readInt32LE(),
  '\x88': () => true,
  '\x89': () => false,
  N: () => null,
  // Strings: of Python 2, of Python 3, and bytes.
  U: (m) => m.take(m.take(1).readUInt8()).toString('latin1'),
  T: (m) => m.longText(m.take(4).readInt32LE()),
  '\x8c': (m) => m.take(m.take(1).readUInt8()).toString('utf8'),
  X: (m) => m.take(m.take(4).readUInt32LE()).toString('utf8'),
  C: (m) => m.take(m.take(1).readUInt8()),
  B: (m) => m.take(m.take(4).readUInt32LE()),
  // Containers.
  ')': () => [],
  ']': () => [],
  '}': () => new Map(),
  t: (m) => m.popToMark(),
  l: (m) => m.popToMark(),
  '\x85': (m) => m.popMany(1),
  '\x86': (m) => m.popMany(2),
  '\x87': (m) => m.popMany(3),
  // What was stored before.
  h: (m) => m.recall(m.take(1).readUInt8()),
  j: (m) => m.recall(m.take(4).readUInt32LE()),
  // Names, and objects made by them.
  c: (m) => allow(`${m.line()}.${m.line()}`),
  '\x93': (m) => allow(m.popMany(2).join('.')),
  R: (m) => construct(...(m.popMany(2) as [PickleValue, PickleValue])),
};

/** Instructions that change what is there. */
const ACTIONS: Record<string, (machine: Machine) => void> = {
  '\x80': (m) => m.take(1), // protocol number
  '\x95': (m) => m.take(8), // length of a frame
  '(': (m) => m.stack.push(MARK),
  a: (m) => m.append([m.pop()]),
  e: (m) => m.append(m.popToMark()),
  s: (m) => m.setItems(m.popMany(2)),
  u: (m) => m.setItems(m.popToMark()),
  q: (m) => m.memo.set(m.take(1).readUInt8(), m.top()),
  r: (m) => m.memo.set(m.take(4).readUInt32LE(), m.top()),
  '\x94': (m) => m.memo.set(m.memo.size, m.top()),
  b: (m) => {
    const state = m.pop();
    build(m.top(), state);
  },
};

class Machine {
  readonly stack: (PickleValue | typeof MARK)[] = [];
  readonly memo = new Map<number, PickleValue>();
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  run(): PickleValue {
    for (;;) {
      const code = this.take(1).toString('latin1');
      if (code === '.') return this.pop();
      if (Object.hasOwn(VALUES, code)) this.stack.push(VALUES[code]!(this));
      else if (Object.hasOwn(ACTIONS, code)) ACTIONS[code]!(this);
      else
        throw new Error(`instruction 0x${code.charCodeAt(0).toString(16)} at byte ${this.at - 1} is not allowed here`);
    }
  }

  take(count: number): Buffer {
    if (!(count >= 0) || this.at + count > this.bytes.length) throw new Error('it is cut off');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** Text of Python 2 may be text or the pixels of an array: long ones stay bytes. */
  longText(length: number): PickleValue {
    const bytes = this.take(length);
    return length < 65536 ? bytes.toString('latin1') : bytes;
  }

  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0 || end - this.at > 100) throw new Error('a name is cut off');
    const text = this.take(end - this.at).toString('latin1');
    this.at++;
    return text;
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw new Error('its stack runs empty');
    return value as PickleValue;
  }

  pop(): PickleValue {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  popMany(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.unshift(this.pop());
    return values;
  }

  popToMark(): PickleValue[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw new Error('its stack runs empty');
    const values = this.stack.splice(mark + 1) as PickleValue[];
    this.stack.pop();
    return values;
  }

  append(values: PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new Error('it appends to something that is not a list');
    for (const value of values) list.push(value);
  }

  setItems(pairs: PickleValue[]): void {
    const map = this.top();
    if (!(map instanceof Map)) throw new Error('it sets an item of something that is not a dict');
    for (let i = 0; i + 1 < pairs.length; i += 2) map.set(asText(pairs[i]!), pairs[i + 1]!);
  }

  recall(key: number): PickleValue {
    const value = this.memo.get(key);
    if (value === undefined) throw new Error('it recalls what it never stored');
    return value;
  }
}

function allow(text: string): Name {
  if (!ALLOWED.includes(text)) throw new Error(`it names ${text}, which has no place in a data file`);
  return new Name(text);
}

/** Arrays and dtypes start as shells; `_codecs.encode(text, 'latin1')` is how Python 3 writes bytes in protocol 2. */
function construct(name: PickleValue, args: PickleValue): PickleValue {
  if (!(name instanceof Name) || !Array.isArray(args)) throw new Error('it calls something unknown');
  if (name.text === '_codecs.encode' && typeof args[0] === 'string') return Buffer.from(args[0], 'latin1');
  if (RECONSTRUCT.includes(name.text)) return { shape: [], data: new Uint8Array() };
  if (name.text === 'numpy.dtype')
    return { shape: [], data: new Uint8Array(), dtype: asText(args[0] ?? null) } as Shell;
  throw new Error(`it calls ${name.text} with unknown arguments`);
}

function build(target: PickleValue, state: PickleValue): void {
  if (!isByteArray(target) || !Array.isArray(state)) throw new Error('it fills something unknown');
  // A dtype's own state is byte order and flags, which mean nothing for single bytes.
  if ((target as Shell).dtype !== undefined) return;
  const [, shape, dtype, fortran, data] = state;
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  if (!isByteArray(dtype) || (dtype as Shell).dtype !== 'u1' || fortran !== false)
    throw new Error('an array is not of plain bytes');
  const sizes = Array.isArray(shape) ? shape.map(Number) : [];
  if (!ArrayBuffer.isView(bytes) || sizes.reduce((a, b) => a * b, 1) !== bytes.length)
    throw new Error('an array does not hold as many bytes as its shape says');
  target.shape = sizes;
  target.data = bytes;
}

export function isByteArray(value: unknown): value is ByteArray {
  return typeof value === 'object' && value !== null && 'shape' in value && 'data' in value;
}

function asText(value: PickleValue): string {
  if (typeof value === 'string') return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value as Uint8Array).toString('latin1');
  throw new Error('a key is not text');
}
