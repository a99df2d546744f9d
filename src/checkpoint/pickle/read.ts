/**
 * Reads one Python pickle (protocols 2 to 5, the part that checkpoints use) into a tree of plain data.
 *
 * A pickle is a program for a small stack machine. Rules that keep it harmless:
 * 1. Names come from the list in pickle-globals.ts; nothing is imported or run.
 * 2. Every length is checked against the bytes that are there before anything is made of it.
 * 3. Every operation is charged to the budget, so neither time nor memory can grow beyond the file.
 * 4. The finished tree is walked once: no cycles, bounded depth, no intermediate objects, and lists that are referred to
 *    many times are charged each time (a reader of the tree will meet them each time).
 */

import { type Budget, refuse } from '../refuse';
import { isDict, type Value } from '../value';
import { addItem, isPlain, lookUp } from './globals';
import { Global, type Item, NumpyType, type PendingTensor, Storage, StorageView } from './item';
import { narrow } from './numpy-scalar';

export interface Unpickled {
  value: Value;
  /** Tensors of `value` whose bytes are still missing. */
  pending: PendingTensor[];
  storages: Map<string, Storage>;
  /** Offset of the first byte after the pickle. */
  end: number;
}

const MAX_DEPTH = 64;
const OPERATION_BYTES = 16;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads the pickle that starts at `start`. Throws ERR_CHECKPOINT whose message is a clause. */
export function unpickle(bytes: Uint8Array, start: number, budget: Budget): Unpickled {
  const machine = new PickleMachine(bytes, start, budget);
  const value = machine.run();
  checkTree(value, budget, 0);
  return { value, pending: machine.pending, storages: machine.storages, end: machine.at };
}

function checkTree(item: Item, budget: Budget, depth: number): asserts item is Value {
  budget.node(OPERATION_BYTES);
  if (depth > MAX_DEPTH)
    refuse(`its lists and dictionaries are nested more than ${MAX_DEPTH} deep or contain themselves`);
  if (!isPlain(item)) refuse('it holds a Python class where data should be');
  if (Array.isArray(item)) for (const member of item) checkTree(member, budget, depth + 1);
  else if (isDict(item)) for (const member of item.values()) checkTree(member, budget, depth + 1);
}

/** The stack machine. Its operations are in pickle-opcodes.ts. */
export class PickleMachine {
  readonly pending: PendingTensor[] = [];
  readonly storages = new Map<string, Storage>();
  private readonly stack: Item[] = [];
  /** Heights of the stack at the open marks. */
  private readonly marks: number[] = [];
  readonly memo = new Map<number, Item>();
  readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    readonly budget: Budget,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): Item {
    for (;;) {
      this.budget.node(OPERATION_BYTES);
      const opcode = this.view.getUint8(this.take(1));
      if (opcode === 0x2e) return this.pop(); // '.' STOP
      const step = STEPS[opcode] ?? unknownOperation(opcode);
      step(this);
    }
  }

  // Bytes.

  /** Advances over `count` bytes that must be there; returns where they start. */
  take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) refuse('its pickle ends early');
    this.at += count;
    return start;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  private slice(count: number): Uint8Array {
    const start = this.take(count);
    return this.bytes.subarray(start, start + count);
  }

  text(count: number): string {
    const bytes = this.slice(count);
    this.budget.node(2 * count);
    try {
      return utf8.decode(bytes);
    } catch {
      refuse('it holds text that is not UTF-8');
    }
  }

  latin1(count: number): string {
    const bytes = this.slice(count);
    this.budget.node(2 * count);
    return Buffer.from(bytes.buffer, bytes.byteOffset, count).toString('latin1');
  }

  raw(count: number): Uint8Array {
    this.budget.node(128);
    return this.slice(count);
  }

  /** A little-endian two's complement integer. */
  long(count: number): number | bigint {
    if (count > 255) refuse('it holds an integer of more than 2,040 bits');
    const bytes = this.slice(count);
    this.budget.node(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return narrow(BigInt.asIntN(8 * count, value));
  }

  /** ASCII up to a newline: a module or a name. */
  line(): string {
    const end = this.bytes.subarray(this.at, this.at + 256).indexOf(0x0a);
    if (end < 0) refuse('its pickle has a name without an end');
    const text = this.latin1(end);
    this.take(1);
    return text;
  }

  // Stack and memo.

  push(item: Item): void {
    this.stack.push(item);
  }

  /** Items below the innermost mark are out of reach, as in Python. */
  popMany(count: number): Item[] {
    if (this.stack.length - (this.marks.at(-1) ?? 0) < count)
      refuse('its pickle takes more from the stack than is there');
    return this.stack.splice(this.stack.length - count, count);
  }

  pop(): Item {
    return this.popMany(1)[0]!;
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  popMark(): Item[] {
    const mark = this.marks.pop();
    if (mark === undefined) refuse('its pickle closes a group that was never opened');
    return this.stack.splice(mark);
  }

  private peek(): Item {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) refuse('its pickle takes more from the stack than is there');
    return this.stack[this.stack.length - 1]!;
  }

  put(index: number): void {
    this.budget.node(48);
    this.memo.set(index, this.peek());
  }

  get(index: number): void {
    const item = this.memo.get(index);
    if (item === undefined) refuse('its pickle refers to something it never stored');
    this.push(item);
  }

  // Containers and objects.

  /** Lists, tuples and sets are all arrays here. Members may still be intermediate; checkTree sees to that. */
  list(items: Item[]): Value[] {
    this.budget.node(64 + 8 * items.length);
    return items as Value[];
  }

  dict(items: Item[]): void {
    this.budget.node(256);
    this.push(new Map());
    this.setItems(items);
  }

  append(items: Item[]): void {
    const target = this.peek();
    if (!Array.isArray(target)) refuse('its pickle appends to something that is no list');
    for (const item of items) target.push(item as Value);
  }

  setItems(items: Item[]): void {
    const target = this.peek();
    if (!isDict(target)) refuse('its pickle sets items of something that is no dictionary');
    if (items.length % 2 !== 0) refuse('its pickle has a key without a value');
    this.budget.node(48 * items.length);
    for (let i = 0; i < items.length; i += 2) addItem(target, items[i]!, items[i + 1]!);
  }

  reduce(): void {
    const [callable, args] = this.popMany(2);
    if (!(callable instanceof Global) || callable.build === undefined || !Array.isArray(args))
      refuse('its pickle calls something that is no function');
    this.push(callable.build(args, this));
  }

  /** Attributes: a numpy type's byte order; an OrderedDict's `_metadata`, which is not data. */
  build(): void {
    const state = this.pop();
    const target = this.peek();
    if (target instanceof NumpyType) target.setState(state);
    else if (!isDict(target)) refuse('its pickle sets attributes of something that has none');
  }

  /** ("storage", class, key, location, numel[, view]): the location (cpu, cuda:0) does not matter to the bytes. */
  persistentId(id: Item): Item {
    if (!Array.isArray(id)) refuse('it refers to outside data in an unknown way');
    const [tag, type, key, , numel, view] = id as Item[];
    if (tag === 'module') refuse('it is a whole pickled model; save model.state_dict() instead');
    if (tag !== 'storage' || !(type instanceof Global) || type.dtype === undefined || typeof key !== 'string')
      refuse('it refers to outside data in an unknown way');
    if (!Number.isSafeInteger(numel) || (numel as number) < 0) refuse(`storage ${key} has an impossible size`);
    this.budget.node(256);
    const storage = this.storages.get(key) ?? new Storage(key, type.dtype, numel as number);
    if (storage.dtype !== type.dtype || storage.numel !== numel) refuse(`storage ${key} is described in two ways`);
    this.storages.set(key, storage);
    return Array.isArray(view) ? storageView(storage, view) : storage;
  }
}

/** (view key, offset, numel), in elements. */
function storageView(base: Storage, [, offset, numel]: Item[]): StorageView {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(numel))
    refuse(`storage ${base.key} has a view without limits`);
  const [from, count] = [offset as number, numel as number];
  if (from < 0 || count < 0 || from + count > base.numel) refuse(`storage ${base.key} has a view beyond its end`);
  return new StorageView(base, from, count);
}

function unknownOperation(opcode: number): never {
  refuse(`its pickle has the operation 0x${opcode.toString(16).padStart(2, '0')}, which no checkpoint needs`);
}
type Step = (m: PickleMachine) => void;

export const STEPS: Readonly<Record<number, Step>> = {
  // Framing
  128: protocol, // PROTO
  149: (m) => m.take(8), // FRAME, a hint for buffered readers

  // Stack
  40: (m) => m.mark(), // '(' MARK
  48: (m) => m.pop(), // '0' POP
  49: (m) => m.popMark(), // '1' POP_MARK

  // Constants and numbers
  78: (m) => m.push(null), // 'N' NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  74: (m) => m.push(m.view.getInt32(m.take(4), true)), // 'J' BININT
  75: (m) => m.push(m.u8()), // 'K' BININT1
  77: (m) => m.push(m.view.getUint16(m.take(2), true)), // 'M' BININT2
  138: (m) => m.push(m.long(m.u8())), // LONG1
  139: (m) => m.push(m.long(m.u32())), // LONG4
  71: (m) => m.push(m.view.getFloat64(m.take(8))), // 'G' BINFLOAT, big-endian

  // Text and bytes
  88: (m) => m.push(m.text(m.u32())), // 'X' BINUNICODE
  140: (m) => m.push(m.text(m.u8())), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.u64())), // BINUNICODE8
  84: (m) => m.push(m.latin1(m.u32())), // 'T' BINSTRING, Python 2
  85: (m) => m.push(m.latin1(m.u8())), // 'U' SHORT_BINSTRING, Python 2
  66: (m) => m.push(m.raw(m.u32())), // 'B' BINBYTES
  67: (m) => m.push(m.raw(m.u8())), // 'C' SHORT_BINBYTES
  142: (m) => m.push(m.raw(m.u64())), // BINBYTES8

  // Containers
  93: (m) => m.push(m.list([])), // ']' EMPTY_LIST
  41: (m) => m.push(m.list([])), // ')' EMPTY_TUPLE
  143: (m) => m.push(m.list([])), // EMPTY_SET
  125: (m) => m.dict([]), // '}' EMPTY_DICT
  108: (m) => m.push(m.list(m.popMark())), // 'l' LIST
  116: (m) => m.push(m.list(m.popMark())), // 't' TUPLE
  133: (m) => m.push(m.list(m.popMany(1))), // TUPLE1
  134: (m) => m.push(m.list(m.popMany(2))), // TUPLE2
  135: (m) => m.push(m.list(m.popMany(3))), // TUPLE3
  100: (m) => m.dict(m.popMark()), // 'd' DICT
  97: (m) => m.append(m.popMany(1)), // 'a' APPEND
  101: (m) => m.append(m.popMark()), // 'e' APPENDS
  144: (m) => m.append(m.popMark()), // ADDITEMS
  115: (m) => m.setItems(m.popMany(2)), // 's' SETITEM
  117: (m) => m.setItems(m.popMark()), // 'u' SETITEMS

  // Objects
  99: (m) => m.push(lookUp(m.line(), m.line())), // 'c' GLOBAL
  147: stackGlobal, // STACK_GLOBAL
  82: (m) => m.reduce(), // 'R' REDUCE
  98: (m) => m.build(), // 'b' BUILD
  81: (m) => m.push(m.persistentId(m.pop())), // 'Q' BINPERSID

  // Memo
  113: (m) => m.put(m.u8()), // 'q' BINPUT
  114: (m) => m.put(m.u32()), // 'r' LONG_BINPUT
  148: (m) => m.put(m.memo.size), // MEMOIZE
  104: (m) => m.get(m.u8()), // 'h' BINGET
  106: (m) => m.get(m.u32()), // 'j' LONG_BINGET
};
function protocol(m: PickleMachine): void {
  if (m.u8() > 5) refuse('its pickle protocol is newer than 5');
}
function stackGlobal(m: PickleMachine): void {
  const [module, name] = m.popMany(2);
  if (typeof module !== 'string' || typeof name !== 'string')
    refuse('its pickle names an object by something that is no text');
  m.push(lookUp(module, name));
}
