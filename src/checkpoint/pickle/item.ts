import type { Dtype, TensorData } from '../../tensor';
import { type Budget, refuse } from '../refuse';
import type { View } from '../tensor-view';
import type { Value } from '../value';

/** A block of tensor bytes that lies elsewhere in the file. Sizes and offsets in elements. */
export class Storage {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    readonly numel: number,
  ) {}
}

/** A part of a storage: an old form of the legacy layout, which kept views as storages of their own. */
export class StorageView {
  constructor(
    readonly base: Storage,
    readonly offset: number,
    readonly numel: number,
  ) {}
}

/** A tensor whose bytes are filled in when the storages have been found. */
export interface PendingTensor {
  tensor: TensorData;
  storage: Storage;
  view: View;
}

/** A class or function of the list, on the pickle machine's stack. */
export class Global {
  constructor(
    readonly name: string,
    readonly build: ((args: Item[], machine: Machine) => Item) | undefined,
    /** Set for storage classes, which stand only in persistent ids. */
    readonly dtype?: Dtype,
  ) {}
}

/** What may lie on the machine's stack: values, and the intermediate things that must not reach the result. */
export type Item = Value | Global | Storage | StorageView | NumpyType;
/** What the builders need of the machine. */
export interface Machine {
  readonly budget: Budget;
  readonly pending: PendingTensor[];
}

/** A numpy.dtype of one scalar, for example 'f8'. Its byte order arrives later, by setState. */
export class NumpyType {
  littleEndian = true;

  constructor(readonly code: string) {}

  /** `state` is numpy's (version, byte order, ...). */
  setState(state: Item): void {
    if (!Array.isArray(state) || !['<', '>', '|', '='].includes(state[1] as string))
      refuse('a numpy type has an unknown state');
    this.littleEndian = state[1] !== '>';
  }
}
