/** Types of the items on the stack of the pickle machine. */
import type { TensorData } from '../../tensor';
import { ELEMENT_BYTES } from '../dtypes';
import { type Budget, refuse } from '../refuse';
import type { View } from '../tensor-view';
import { type Dict, type Key, Opaque, type UnreadTensor, type Value } from '../value';

/** Values, and intermediate objects that must not reach the result. */
export type Item = Value | Global | Storage | Stateful;

/** The part of the machine that builders use. */
export interface Machine {
  readonly budget: Budget;
  readonly pending: PendingTensor[];
}

export type Builder = (args: Item[], machine: Machine) => Item;

/** Finds a Python object by its full name; refuses names that a file must not contain. */
export type LookUp = (name: string) => Item;

/** A class or function. */
export class Global {
  constructor(
    readonly name: string,
    /** Builder of its objects; undefined where the object is named, but never called. */
    readonly build: Builder | undefined,
    /** Element type of a storage class, which occurs only in persistent ids. */
    readonly dtype?: string,
  ) {}
}

/** An unknown class or function. Everything made by it is a leaf that is not read. */
export class UnknownGlobal extends Global {
  constructor(name: string) {
    super(name, ([type], { budget }) => {
      budget.node(64);
      return new Opaque(type instanceof Global && MAKERS.test(name) ? type.name : name);
    });
  }
}

/** Matches functions whose first argument is the class of their result. */
const MAKERS = /^(copyreg|copy_reg|numpy\.(_?core)\.multiarray)\._reconstruct(or)?$/;

/** An object whose attributes arrive after its construction. */
export abstract class Stateful {
  abstract setState(state: Item, budget: Budget): void;

  /** Its form as a key of a dictionary; undefined where it cannot be a key. */
  asKey(): string | undefined {
    return undefined;
  }
}

/** A block of tensor bytes elsewhere in the file, with sizes and offsets in elements. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: string,
    readonly numel: number,
  ) {}

  get bytes(): number {
    return this.numel * ELEMENT_BYTES[this.dtype]!;
  }
}

/** A tensor whose bytes are filled in when the storages have been found. */
export interface PendingTensor {
  tensor: TensorData | UnreadTensor;
  storage: Storage;
  view: View;
  /** True where the sign of every element is still to be changed. */
  negate?: boolean;
}

/** Sets dict[key] to the item. Refuses a key that is there already. */
export function addItem(dict: Dict, key: Item, item: Item): void {
  const plain = keyOf(key, dict);
  if (dict.has(plain)) refuse(`the key ${JSON.stringify(String(plain))} stands twice in one dictionary`);
  // Intermediate items are removed when the finished tree is walked.
  dict.set(plain, item as Value);
}

function keyOf(key: Item, dict: Dict): Key {
  if (key === null || (typeof key !== 'object' && key !== undefined)) return key;
  // The number keeps two keys apart that look alike.
  if (key instanceof Opaque || key instanceof Global) return `${key.name}, not read (#${dict.size})`;
  const stateful = key instanceof Stateful ? key.asKey() : undefined;
  if (stateful !== undefined) return stateful;
  refuse('a dictionary has a key that is neither text nor an integer');
}

/** A tuple as Python prints it. Tuples may share members, so the text is charged to the budget as it grows. */
export function tupleText(items: Item[], budget: Budget, depth = 0): string {
  if (depth > 16) refuse('a dictionary has a key that is a tuple of tuples more than 16 deep');
  const texts = items.map((item) => {
    if (Array.isArray(item)) return tupleText(item as Item[], budget, depth + 1);
    const text = typeof item === 'string' ? JSON.stringify(item) : memberText(item);
    budget.node(32 + 4 * text.length);
    return text;
  });
  budget.node(64);
  return texts.length === 1 ? `(${texts[0]},)` : `(${texts.join(', ')})`;
}

function memberText(item: Item): string {
  if (item === null) return 'None';
  if (typeof item === 'boolean') return item ? 'True' : 'False';
  return item instanceof Opaque || item instanceof Global ? item.name : String(item);
}

/** The number where it is exact, else the bigint itself. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
