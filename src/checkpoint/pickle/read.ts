/**
 * Reads one Python pickle (protocols 2 to 5, the part that data files use) into a tree of plain data.
 *
 * A pickle is a program for a small stack machine. Rules that keep it harmless:
 * 1. Names come from a list that the caller gives (globals.ts for checkpoints); nothing is imported or run.
 * 2. Every length is checked against the bytes that are there before anything is made of it.
 * 3. Every operation is charged to the budget, so neither time nor memory can grow beyond the file.
 * 4. The finished tree is walked once: no cycles, bounded depth, no intermediate objects, and lists that are referred to
 *    many times are charged each time (a reader of the tree will meet them each time).
 */
import { type Budget, refuse } from '../refuse';
import { isBytes, isDict, isTensor, type Value } from '../value';
import { lookUpGlobal } from './globals';
import type { Item, LookUp, PendingTensor, Storage } from './item';
import { PickleMachine } from './machine';
import { STEPS, STOP } from './opcodes';

interface Unpickled {
  value: Value;
  /** Tensors of `value` whose bytes are still missing. */
  pending: PendingTensor[];
  storages: Map<string, Storage>;
  /** Offset of the first byte after the pickle. */
  end: number;
}

const MAX_DEPTH = 64;
const OPERATION_BYTES = 16;

/** Reads the pickle that starts at `start`. Throws ERR_CHECKPOINT whose message is a clause. */
export function unpickle(bytes: Uint8Array, start: number, budget: Budget, lookUp: LookUp = lookUpGlobal): Unpickled {
  const machine = new PickleMachine(bytes, start, budget, lookUp);
  const value = run(machine);
  checkTree(value, budget, 0);
  return { value, pending: machine.pending, storages: machine.storages, end: machine.at };
}

function run(machine: PickleMachine): Item {
  for (;;) {
    machine.budget.node(OPERATION_BYTES);
    const code = machine.u8();
    if (code === STOP) return machine.pop();
    const step = STEPS[code];
    if (!step)
      refuse(`its pickle has the operation 0x${code.toString(16).padStart(2, '0')}, which is not allowed here`);
    step(machine);
  }
}

function checkTree(item: Item, budget: Budget, depth: number): asserts item is Value {
  budget.node(OPERATION_BYTES);
  if (depth > MAX_DEPTH)
    refuse(`its lists and dictionaries are nested more than ${MAX_DEPTH} deep or contain themselves`);
  if (!isPlain(item)) refuse('it holds a Python class where data should be');
  if (Array.isArray(item)) for (const member of item) checkTree(member, budget, depth + 1);
  else if (isDict(item)) for (const member of item.values()) checkTree(member, budget, depth + 1);
}

/** True for what may be part of a result. */
function isPlain(item: Item): item is Value {
  if (item === null || typeof item !== 'object') return item !== undefined;
  return Array.isArray(item) || isDict(item) || isBytes(item) || isTensor(item);
}
