/**
 * Builders of tensors: the functions by which PyTorch's pickles make them. Names and arguments are those of
 * torch/_utils.py and torch/_tensor.py.
 */
import type { TensorData } from '../../tensor';
import { dtypeNamed, ELEMENT_BYTES, isDtype } from '../dtypes';
import { refuse } from '../refuse';
import { elementCount, isDict, isTensor, Opaque, UnreadTensor, type Value } from '../value';
import { type Builder, Global, type Item, type Machine, Storage } from './item';

export const TENSOR_BUILDERS: Readonly<Record<string, Builder>> = {
  'torch._utils._rebuild_tensor': tensor,
  'torch._utils._rebuild_tensor_v2': tensor,
  'torch._utils._rebuild_tensor_v3': ([storage, start, sizes, steps, _gradient, _hooks, dtype, metadata], machine) =>
    made(storage, [start, sizes, steps], textOf(dtype), metadata, machine),
  'torch._utils._rebuild_parameter': wrapped,
  'torch._utils._rebuild_parameter_with_state': wrapped,
  'torch._utils._rebuild_device_tensor_from_cpu_tensor': wrapped,
  'torch._utils._rebuild_sparse_tensor': sparse,
  'torch._utils._rebuild_sparse_csr_tensor': sparse,
  'torch._utils._rebuild_qtensor': quantised,
  'torch._utils._rebuild_nested_tensor': nested,
  'torch._utils._rebuild_meta_tensor_no_storage': ([dtype, sizes], machine) =>
    unread(textOf(dtype), integers(sizes), 'is on the device "meta", so that the file has no values of it', machine),
  'torch._utils._rebuild_wrapper_subclass': ([type, dtype, sizes], machine) =>
    unread(textOf(dtype), integers(sizes), `is of the class ${nameOf(type)}, which is not read`, machine),
  'torch._tensor._rebuild_from_type': fromType,
  'torch._tensor._rebuild_from_type_v2': fromType,
};

/** A tensor from (storage, offset, sizes, strides, requires_grad, hooks, metadata). */
function tensor([storage, start, sizes, steps, , , metadata]: Item[], machine: Machine): Item {
  if (!(storage instanceof Storage)) refuse('a tensor has no storage');
  return made(storage, [start, sizes, steps], storage.dtype, metadata, machine);
}

function made(
  storage: Item | undefined,
  [start, sizes, steps]: (Item | undefined)[],
  dtype: string,
  metadata: Item | undefined,
  machine: Machine,
): Item {
  if (!(storage instanceof Storage)) refuse('a tensor has no storage');
  const shape = integers(sizes);
  const strides = integers(steps);
  const [offset] = integers([start as Value]) as [number];
  const itemBytes = ELEMENT_BYTES[dtype];
  if (itemBytes === undefined)
    return unread(dtype, shape, `is of ${dtype}, an element type that is not known`, machine);
  machine.budget.node(512);
  const { negate, reason } = laterSteps(metadata, dtype);
  const result: TensorData | UnreadTensor =
    isDtype(dtype) && reason === undefined
      ? { dtype, shape, data: new Uint8Array(0) }
      : new UnreadTensor(dtype, shape, reason ?? `is of ${dtype}, which is not read`);
  machine.pending.push({ tensor: result, storage, view: { itemBytes, offset, shape, strides }, negate });
  return result;
}

/** Reads `metadata`, by which PyTorch defers a change of sign. `reason` names an attribute that is not supported. */
function laterSteps(metadata: Item | undefined, dtype: string): { negate?: boolean; reason?: string } {
  if (metadata === undefined || metadata === null) return {};
  if (!isDict(metadata)) return { reason: 'has attributes that are not known' };
  const set = [...metadata].filter(([, value]) => value !== false && value !== null).map(([key]) => String(key));
  const strange = set.find((key) => !(key === 'neg' && dtype !== 'bool'));
  if (strange !== undefined) return { reason: `has the attribute ${JSON.stringify(strange)}, which is not known` };
  return set.length > 0 ? { negate: true } : {};
}

/** A tensor without readable bytes. */
function unread(dtype: string, shape: number[], reason: string, { budget }: Machine): UnreadTensor {
  if (Number.isNaN(elementCount(shape))) refuse(`a tensor has an impossible shape (${shape.join(', ')})`);
  budget.node(512);
  return new UnreadTensor(dtype, shape, reason);
}

/** The tensor of a Parameter, from (data, ...). */
function wrapped([inner]: Item[]): Item {
  if (isTensor(inner) || inner instanceof UnreadTensor || inner instanceof Opaque) return inner;
  refuse('a Parameter does not hold a tensor');
}

/** A tensor with attributes, or of a class such as Buffer, from (function, type, its arguments, attributes). */
function fromType([make, type, args]: Item[], machine: Machine): Item {
  if (!(make instanceof Global) || !Array.isArray(args)) refuse('a tensor is made by something other than a function');
  // A function that calls itself would never end.
  if (make.build === undefined || make.build === fromType) refuse('a tensor is made by a function that makes none');
  const result = make.build(args as Item[], machine);
  return result instanceof Opaque ? new Opaque(nameOf(type)) : result;
}

/** A sparse tensor from (layout, (indices or row starts, ..., values, size[, flag])). */
function sparse([layout, parts]: Item[], machine: Machine): Item {
  const items = Array.isArray(parts) ? (parts as Item[]) : [];
  const size = items.findLast((item) => Array.isArray(item));
  const values = items.findLast((item) => isTensor(item) || item instanceof UnreadTensor) as UnreadTensor | undefined;
  if (!size || !values) refuse('a sparse tensor has no values');
  const name = textOf(layout);
  return unread(`${values.dtype} (${name})`, integers(size), `is sparse (${name}): save it with to_dense()`, machine);
}

/** A quantised tensor from (storage, offset, sizes, strides, quantiser, ...). */
function quantised([storage, start, sizes, steps]: Item[], machine: Machine): Item {
  return made(storage, [start, sizes, steps], storage instanceof Storage ? storage.dtype : '', null, machine);
}

/**
 * A nested tensor from (buffer, sizes of the parts as a tensor, ...). Only the number of parts is known before the file
 * is read.
 */
function nested([buffer, sizes]: Item[], machine: Machine): Item {
  if (!(isTensor(buffer) || buffer instanceof UnreadTensor) || !isTensor(sizes)) refuse('a nested tensor has no parts');
  const shape = sizes.shape.slice(0, 1);
  return unread(`${buffer.dtype} (nested)`, shape, 'is a nested tensor, whose parts differ in shape', machine);
}

/** A copy of a list of integers, because the file may still change its own list. PyTorch allows 64 dimensions. */
export function integers(items: Item | undefined): number[] {
  if (!Array.isArray(items) || items.length > 64 || !items.every(Number.isSafeInteger))
    refuse('a tensor has sizes, strides or an offset that are not integers');
  return [...items] as number[];
}

/** A constant of torch as text, without "torch.". */
function textOf(item: Item | undefined): string {
  const name = typeof item === 'string' ? item.replace(/^torch\./, '') : '?';
  return dtypeNamed(name) ?? name;
}

function nameOf(item: Item | undefined): string {
  return item instanceof Global || item instanceof Opaque ? item.name : 'torch.Tensor';
}
