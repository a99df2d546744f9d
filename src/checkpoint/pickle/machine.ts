/** The stack machine of Python's pickles: bytes, stack, memo, and the objects that are built. */
import { type Budget, refuse, SAVE_WEIGHTS } from '../refuse';
import { isBytes, isDict, Opaque, type Value } from '../value';
import {
  addItem,
  Global,
  type Item,
  type LookUp,
  narrow,
  type PendingTensor,
  Stateful,
  Storage,
  tupleText,
} from './item';

/** Matches half a surrogate pair, which Python's text may hold for file names that are not UTF-8. */
const SURROGATE = /\xed[\xa0-\xbf][\x80-\xbf]/g;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The state of one reading, with the methods that the operations in opcodes.ts call. */
export class PickleMachine {
  readonly pending: PendingTensor[] = [];
  readonly storages = new Map<string, Storage>();
  private readonly stack: Item[] = [];
  /** Heights of the stack at the open marks. */
  private readonly marks: number[] = [];
  readonly memo = new Map<number, Item>();
  private readonly globals = new Map<string, Item>();
  /** The arrays that are tuples, as only tuples may be keys. */
  private readonly tuples = new WeakSet<Item[]>();
  readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    readonly budget: Budget,
    private readonly lookUp: LookUp,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  // Bytes.

  /** Advances over `count` bytes, and returns where they start. Refuses where they are not there. */
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
      return this.loneSurrogates(bytes);
    }
  }

  private loneSurrogates(bytes: Uint8Array): string {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    try {
      return utf8.decode(Buffer.from(text.replace(SURROGATE, '\xef\xbf\xbd'), 'latin1'));
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

  /** Reads a little-endian two's complement integer. */
  long(count: number): Item {
    const bytes = this.slice(count);
    // A longer integer would take time that grows with the square of its length.
    if (count > 255) return new Opaque('builtins.int');
    this.budget.node(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return narrow(BigInt.asIntN(8 * count, value));
  }

  /** Reads ASCII up to a newline: a name, or a value of protocol 0. */
  line(longest = 1024): string {
    const end = this.bytes.subarray(this.at, this.at + longest).indexOf(0x0a);
    if (end < 0) refuse('its pickle has a name without an end');
    const text = this.latin1(end);
    this.take(1);
    return text;
  }

  // Stack and memo.

  push(item: Item): void {
    this.stack.push(item);
  }

  /** Pops items. Items below the innermost mark are out of reach, as in Python. */
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

  duplicate(): void {
    this.push(this.peek());
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

  /**
   * A list, tuple or set, which are all arrays here. Members may still be intermediate; checkTree finds such members.
   */
  list(items: Item[]): Value[] {
    this.budget.node(64 + 8 * items.length);
    return items as Value[];
  }

  tuple(items: Item[]): Value[] {
    const tuple = this.list(items);
    this.tuples.add(tuple);
    return tuple;
  }

  dict(items: Item[]): void {
    this.budget.node(256);
    this.push(new Map());
    this.setItems(items);
  }

  append(items: Item[]): void {
    const target = this.peek();
    if (target instanceof Opaque) return;
    if (!Array.isArray(target)) refuse('its pickle appends to something that is not a list');
    for (const item of items) target.push(item as Value);
  }

  setItems(items: Item[]): void {
    const target = this.peek();
    if (target instanceof Opaque) return;
    if (!isDict(target)) refuse('its pickle sets items of something that is not a dictionary');
    if (items.length % 2 !== 0) refuse('its pickle has a key without a value');
    this.budget.node(48 * items.length);
    for (let i = 0; i < items.length; i += 2) addItem(target, this.key(items[i]!), items[i + 1]!);
  }

  /**
   * A key as plain data. A Python 2 program may have written it as bytes; a tuple becomes text, as Python prints it.
   */
  private key(key: Item): Item {
    if (Array.isArray(key) && this.tuples.has(key)) return tupleText(key as Item[], this.budget);
    if (!isBytes(key)) return key;
    this.budget.node(2 * key.length);
    return Buffer.from(key).toString('latin1');
  }

  /** Pushes the class or function `module.name` as `lookUp` finds it. */
  global(module: Item, name: Item): void {
    if (typeof module !== 'string' || typeof name !== 'string')
      refuse('its pickle names an object by something other than text');
    const full = `${module}.${name}`;
    let item = this.globals.get(full);
    if (item === undefined) {
      item = this.lookUp(full);
      this.budget.node(64 + 2 * full.length);
      this.globals.set(full, item);
    }
    this.push(item);
  }

  /** Pushes the result of calling `callable`. A result of an object that is not read is not read either. */
  call(callable: Item, args: Item): void {
    if (callable instanceof Opaque) this.push(callable);
    else if (callable instanceof Global && callable.build !== undefined && Array.isArray(args))
      this.push(callable.build(args, this));
    else refuse('its pickle calls something that is not a function');
  }

  /** Pushes a new object of a class, whose contents come later (NEWOBJ, NEWOBJ_EX, INST, OBJ, copyreg). */
  newObject(type: Item, args: Item): void {
    if (type instanceof Global && type.build === undefined) this.push(new Opaque(type.name));
    else this.call(type, args);
  }

  /**
   * Sets the attributes of objects that need them, such as numpy's. Others are ignored, such as the `_metadata` of a
   * state dict.
   */
  build(): void {
    const state = this.pop();
    const target = this.peek();
    if (target instanceof Stateful) target.setState(state, this.budget);
    else if (typeof target !== 'object' || target === null)
      refuse('its pickle sets attributes of something that has none');
  }

  /**
   * A storage from ("storage", class, key, location, numel[, view]); its location (cpu, cuda:0) does not affect the
   * bytes.
   */
  persistentId(id: Item): Item {
    if (!Array.isArray(id)) refuse('it refers to outside data in an unknown way');
    const [tag, type, key, , numel, view = null] = id as Item[];
    // Before PyTorch 1.6 the classes of models were stored with their source text.
    if (tag === 'module' && type instanceof Global) return type;
    if (tag === 'module') refuse('it is a whole pickled model, not a state_dict', SAVE_WEIGHTS);
    if (tag !== 'storage' || !(type instanceof Global) || type.dtype === undefined || typeof key !== 'string')
      refuse('it refers to outside data in an unknown way');
    if (view !== null)
      refuse(
        'it has views of storages, as only very old versions of PyTorch wrote',
        'load and save it once with a PyTorch between 0.4 and 2',
      );
    if (!Number.isSafeInteger(numel) || (numel as number) < 0) refuse(`storage ${key} has an impossible size`);
    this.budget.node(256);
    const storage = this.storages.get(key) ?? new Storage(key, type.dtype, numel as number);
    if (storage.dtype !== type.dtype || storage.numel !== numel) refuse(`storage ${key} is described in two ways`);
    this.storages.set(key, storage);
    return storage;
  }
}
