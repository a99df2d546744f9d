/**
 * Reads one Python pickle (protocols 0 to 5, the part that data files use) into a tree of plain data.
 *
 * A pickle is a program for a small stack machine. Rules that keep it harmless:
 * 1. Nothing is imported or run. Known names (globals.ts for checkpoints) make plain data; others make leaves that hold their name.
 * 2. Every length is checked against the bytes that are there before anything is made of it.
 * 3. Every operation is charged to the budget, so neither time nor memory can grow beyond the file.
 * 4. The finished tree is walked once: no cycles, bounded depth, no intermediate objects, and lists that are referred to
 *    many times are charged each time (a reader of the tree will meet them each time).
 */

import type { TensorData } from '../../tensor';
import { isDtype } from '../dtypes';
import { type Budget, refuse, SAVE_WEIGHTS } from '../refuse';
import { checkView, denseBytes, negated } from '../tensor-view';
import { type Dict, isBytes, isDict, isTensor, Opaque, UnreadTensor, type Value } from '../value';
import { lookUpGlobal } from './globals';
import { Global, type Item, type LookUp, type PendingTensor, Storage } from './item';
import { PickleMachine } from './machine';
import { STEPS, STOP } from './opcodes';

/** A pickle whose tensors have no bytes yet. */
export interface Unpickled {
  root: Item;
  pending: PendingTensor[];
  storages: Map<string, Storage>;
  /** Offset of the first byte after the pickle. */
  end: number;
}

export const MAX_DEPTH = 500;
const OPERATION_BYTES = 16;
/** Most heap bytes that one byte of pickle can cost: an empty dictionary and its place in the memo take two bytes. */
const HEAP_PER_BYTE = 192;
/**
 * Most heap bytes per byte for the rest of a longer operation, which is text, at two bytes a letter, or bytes that are
 * not copied.
 */
const DENSE_BYTES = 8;

/** Runs the pickle that starts at `start`. Throws ERR_CHECKPOINT whose message is a clause. */
export function runPickle(bytes: Uint8Array, start: number, budget: Budget, lookUp: LookUp = lookUpGlobal): Unpickled {
  const machine = new PickleMachine(bytes, start, budget, lookUp);
  const root = run(machine);
  return { root, pending: machine.pending, storages: machine.storages, end: machine.at };
}

/** Reads a pickle without tensors. */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  budget: Budget,
  lookUp?: LookUp,
): { value: Value; end: number } {
  const unpickled = runPickle(bytes, start, budget, lookUp);
  return { value: finish(unpickled, () => undefined, budget), end: unpickled.end };
}

function run(machine: PickleMachine): Item {
  const { budget } = machine;
  for (;;) {
    const start = machine.at;
    budget.node(OPERATION_BYTES);
    const code = machine.u8();
    if (code === STOP) return machine.pop();
    const step = STEPS[code];
    if (!step)
      refuse(`its pickle has the operation 0x${code.toString(16).padStart(2, '0')}, which is not allowed here`);
    step(machine);
    const length = machine.at - start;
    budget.earn(HEAP_PER_BYTE * Math.min(length, DENSE_BYTES) + 2 * length);
  }
}

/**
 * The value of a pickle, with its tensors filled from the bytes that `dataOf` gives for their storages. `mayBeObject`:
 * an object of an unknown class is accepted as a value.
 */
export function finish(
  { root, pending }: Unpickled,
  dataOf: (storage: Storage) => Uint8Array | undefined,
  budget: Budget,
  mayBeObject = false,
): Value {
  const unread = new Map<TensorData, UnreadTensor>();
  for (const one of pending) {
    const data = dataOf(one.storage) ?? refuse(`storage ${one.storage.key} is missing`);
    fill(one, data, budget, unread);
  }
  // A file that holds only an object of an unknown class has no weights that could be read.
  if (!mayBeObject && (root instanceof Opaque || (root instanceof Global && root.dtype === undefined)))
    refuse(
      `it is a whole Python object (${root.name}), not a state_dict or a dictionary (nothing was run)`,
      SAVE_WEIGHTS,
    );
  return new Finisher(dataOf, budget, unread).value(root, 0, '');
}

function fill(
  { tensor, view, negate }: PendingTensor,
  storage: Uint8Array,
  budget: Budget,
  unread: Map<TensorData, UnreadTensor>,
): void {
  if (tensor instanceof UnreadTensor) {
    tensor.bytes = checkView(storage.byteLength, view) * view.itemBytes;
    return;
  }
  const dense = denseBytes(storage, view, budget);
  const data = dense && negate ? negated(dense, tensor.dtype, budget) : dense;
  if (data) tensor.data = data;
  else {
    const why = 'repeats or reorders its values and would take more memory than the file: save it with .contiguous()';
    unread.set(tensor, new UnreadTensor(tensor.dtype, tensor.shape, why));
  }
}

class Finisher {
  constructor(
    private readonly dataOf: (storage: Storage) => Uint8Array | undefined,
    private readonly budget: Budget,
    private readonly unread: Map<TensorData, UnreadTensor>,
  ) {}

  value(item: Item, depth: number, at: string): Value {
    this.budget.node(OPERATION_BYTES);
    if (item === null || typeof item !== 'object') return item;
    if (depth > MAX_DEPTH)
      refuse(
        `its lists and dictionaries${at && ` at ${JSON.stringify(at)}`} are nested more than ${MAX_DEPTH} deep or contain themselves`,
        SAVE_WEIGHTS,
      );
    if (Array.isArray(item)) return this.list(item, depth, at);
    if (isDict(item)) return this.dict(item, depth, at);
    if (isBytes(item) || item instanceof Opaque || item instanceof UnreadTensor) return item;
    if (isTensor(item)) return this.unread.get(item) ?? item;
    if (item instanceof Storage) return this.storage(item);
    if (item instanceof Global && item.dtype === undefined) return new Opaque(item.name);
    if (item instanceof Global) refuse('it holds a Python class where data should be');
    return new Opaque('numpy.dtype');
  }

  private list(items: Value[], depth: number, at: string): Value[] {
    for (let i = 0; i < items.length; i++) items[i] = this.value(items[i]!, depth + 1, at || String(i));
    return items;
  }

  private dict(dict: Dict, depth: number, at: string): Dict {
    for (const [key, member] of dict) {
      const plain = this.value(member, depth + 1, at || String(key));
      if (plain !== member) dict.set(key, plain);
    }
    return dict;
  }

  /** A storage outside a tensor becomes a tensor of one dimension. */
  private storage(storage: Storage): Value {
    const { dtype, numel, bytes } = storage;
    const data = this.dataOf(storage);
    if (!data) refuse(`storage ${storage.key} is missing`);
    this.budget.node(512);
    if (isDtype(dtype)) return { dtype, shape: [numel], data };
    return Object.assign(new UnreadTensor(dtype, [numel], `is of ${dtype}, which is not read`), { bytes });
  }
}
