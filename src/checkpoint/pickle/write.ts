/** Writes a value tree as a pickle of protocol 2, in the operations that `torch.load(weights_only=True)` accepts. */
import { EarlybirdError } from '../../errors';
import { DTYPE_BYTES, type TensorData } from '../../tensor';
import { rowMajorStrides } from '../tensor-view';
import { type Dict, isBytes, isDict, isTensor, isWellFormed, OrderedDict, type Value } from '../value';
import { STORAGE_OF_DTYPE } from './globals';
import { MAX_DEPTH } from './read';

interface Pickled {
  pickle: Uint8Array;
  /** Bytes of storage 0, 1, ...; tensors with the same memory share one. */
  storages: Uint8Array[];
  /** Number of elements of each storage. */
  numels: number[];
}

/** Pickles a value. Throws ERR_CHECKPOINT for a value without a Python form. */
export function pickleValue(value: Value): Pickled {
  const writer = new PickleWriter();
  writer.proto();
  writer.value(value, 0);
  writer.stop();
  return { pickle: writer.bytes(), storages: writer.storages, numels: writer.numels };
}

class PickleWriter {
  readonly storages: Uint8Array[] = [];
  readonly numels: number[] = [];
  private readonly indexOf = new Map<string, number>();
  /** Numbers of the memory blocks met so far, as part of the key of a storage. */
  private readonly memories = new Map<ArrayBufferLike, number>();
  private buffer = Buffer.allocUnsafe(1 << 16);
  private length = 0;

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  proto(): void {
    this.op('\x80\x02');
  }

  stop(): void {
    this.op('.');
  }

  value(value: Value, depth: number): void {
    if (depth > MAX_DEPTH) unwritable(`a value nested more than ${MAX_DEPTH} deep or containing itself`);
    if (value === null) this.op('N');
    else if (typeof value === 'boolean') this.op(value ? '\x88' : '\x89');
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'bigint') this.long(value);
    else if (typeof value === 'string') this.text(value);
    else if (Array.isArray(value)) this.list(value, depth);
    else if (isDict(value)) this.dict(value, depth);
    else if (isBytes(value)) this.raw(value);
    else if (isTensor(value)) this.tensor(value);
    else unwritable(typeof value === 'object' ? 'something that was not read' : `a value of type ${typeof value}`);
  }

  private list(items: Value[], depth: number): void {
    this.op('](');
    for (const item of items) this.value(item, depth + 1);
    this.op('e');
  }

  private dict(dict: Dict, depth: number): void {
    this.op(dict instanceof OrderedDict ? 'ccollections\nOrderedDict\n)R(' : '}(');
    for (const [key, item] of dict) {
      if (typeof key === 'object' && key !== null) unwritable('a key that is an object');
      this.value(key, depth + 1);
      this.value(item, depth + 1);
    }
    this.op('u');
  }

  private number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.op('G');
      const at = this.grow(8);
      this.buffer.writeDoubleBE(value, at);
    } else if (value === (value | 0)) {
      this.op('J');
      const at = this.grow(4);
      this.buffer.writeInt32LE(value, at);
    } else this.long(BigInt(value));
  }

  /** Writes LONG1: the fewest bytes of two's complement, little-endian. */
  private long(value: bigint): void {
    let count = 1;
    while (BigInt.asIntN(8 * count, value) !== value) count++;
    if (count > 255) unwritable('an integer of more than 2,040 bits');
    this.op('\x8a');
    const at = this.grow(1 + count);
    this.buffer.writeUInt8(count, at);
    for (let i = 0; i < count; i++) this.buffer.writeUInt8(Number((value >> BigInt(8 * i)) & 0xffn), at + 1 + i);
  }

  private text(value: string): void {
    // Every Node since 20 has it, though the types of ES2023 do not; a regular expression for it takes 20 ms to warm
    // up.
    if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) unwritable('text with half a surrogate pair');
    const count = Buffer.byteLength(value);
    this.op('X');
    const at = this.grow(4 + count);
    this.buffer.writeUInt32LE(count, at);
    this.buffer.write(value, at + 4);
  }

  /** Writes bytes as encoded text, as Python does, since protocol 2 has no bytes. */
  private raw(value: Uint8Array): void {
    this.op('c_codecs\nencode\n(');
    this.text(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1'));
    this.text('latin1');
    this.op('tR');
  }

  private tensor(tensor: TensorData): void {
    if (!isWellFormed(tensor))
      unwritable(`a ${tensor.dtype} tensor whose data does not fill its shape (${tensor.shape.join(', ')})`);
    const index = this.storage(tensor);
    this.op(`ctorch._utils\n_rebuild_tensor_v2\n((`);
    this.text('storage');
    this.op(`ctorch\n${STORAGE_OF_DTYPE[tensor.dtype]}\n`);
    this.text(String(index));
    this.text('cpu');
    this.number(this.numels[index]!);
    this.op('tQ');
    this.number(0);
    this.tuple(tensor.shape);
    this.tuple(rowMajorStrides(tensor.shape));
    this.op('\x89ccollections\nOrderedDict\n)RtR');
  }

  private tuple(items: number[]): void {
    this.op('(');
    for (const item of items) this.number(item);
    this.op('t');
  }

  /**
   * Index of the storage of a tensor. The same memory seen as the same dtype is one storage, so that shared memory
   * stays shared; an empty tensor always gets its own.
   */
  private storage({ dtype, data }: TensorData): number {
    const memory = this.memories.get(data.buffer) ?? this.memories.size;
    this.memories.set(data.buffer, memory);
    const key = [memory, data.byteOffset, data.byteLength, dtype].join(' ');
    const known = this.indexOf.get(key);
    if (known !== undefined && data.byteLength > 0) return known;
    this.indexOf.set(key, this.storages.length);
    this.numels.push(data.byteLength / DTYPE_BYTES[dtype]);
    return this.storages.push(data) - 1;
  }

  private op(ascii: string): void {
    const at = this.grow(ascii.length);
    this.buffer.write(ascii, at, 'latin1');
  }

  /** Makes room for `count` bytes, and returns their position. It may replace `this.buffer`. */
  private grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.buffer.length) {
      const larger = Buffer.allocUnsafe(2 * this.length);
      this.buffer.copy(larger, 0, 0, at);
      this.buffer = larger;
    }
    return at;
  }
}

function unwritable(what: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', `a checkpoint cannot hold ${what}; remove it from the value to be saved`);
}
