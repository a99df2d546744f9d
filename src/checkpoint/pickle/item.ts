/** Types of the items on the stack of the pickle machine. */
import type { Dtype, TensorData } from '../../tensor';
import { type Budget, refuse } from '../refuse';
import type { View } from '../tensor-view';
import type { Dict, Value } from '../value';

/** Values, and intermediate objects that must not reach the result. */
export type Item = Value | Global | Storage | Stateful;

/** The part of the machine that builders use. */
export interface Machine {
  readonly budget: Budget;
  readonly pending: PendingTensor[];
}

export type Builder = (args: Item[], machine: Machine) => Item;

/** Finds a Python object by its full name in a list; refuses names that are not listed. */
export type LookUp = (name: string) => Item;

/** A listed class or function. */
export class Global {
  constructor(
    /** Undefined where the object is named, but never called. */
    readonly build: Builder | undefined,
    /** Set for storage classes, which stand only in persistent ids. */
    readonly dtype?: Dtype,
  ) {}
}

/** An object whose attributes arrive after its construction. */
export abstract class Stateful {
  abstract setState(state: Item, budget: Budget): void;
}

/** A block of tensor bytes that lies elsewhere in the file. Sizes and offsets in elements. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    readonly numel: number,
  ) {}
}

/** A tensor whose bytes are filled in when the storages have been found. */
export interface PendingTensor {
  tensor: TensorData;
  storage: Storage;
  view: View;
}

/** dict[key] = item, where key is a string or an integer that is not there yet. */
export function addItem(dict: Dict, key: Item, item: Item): void {
  if (typeof key !== 'string' && !Number.isSafeInteger(key))
    refuse('a dictionary has a key that is neither text nor an integer');
  if (dict.has(key as string | number)) refuse(`the key ${JSON.stringify(key)} stands twice in one dictionary`);
  // Intermediate items are weeded out when the finished tree is walked.
  dict.set(key as string | number, item as Value);
}

/** A number where it is exact, else the bigint itself. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
