/** A network as a plain list of named operations, with the tensors that they use. All formats are written from it. */
import { EarlybirdError } from '../errors';
import type { GraphNode, ModelDescription } from '../native/types/model';
import { IMAGE } from '../network/schema';
import { alignedTo, type StateDict, type TensorData } from '../tensor';

type Named<T> = T extends unknown ? Omit<T, 'inputs'> & { name: string; inputs: string[] } : never;
/** An operation. `inputs` are names of earlier operations, or {@link IMAGE}; its own name stands for its result. */
export type Operation = Named<GraphNode> | { op: 'flatten'; key: string; name: string; inputs: string[] };

export interface Graph {
  /** Operations in the order of the computation; the last one makes the logits. */
  operations: Operation[];
  /** Tensors of the operations, by `key` and the names of PyTorch's modules. */
  tensors: StateDict;
}

/** The graph of a network with these weights. A channel selection that selects all is left out. */
export function graphOf({ nodes }: Pick<ModelDescription, 'nodes'>, state: StateDict): Graph {
  const names: string[] = [];
  const taken = new Set<string>();
  const flat = new Set<string>();
  const operations: Operation[] = [];
  // A layer keeps its name, as its weights have it, and model.py has no room for another beside or within it.
  const flatten = uniqueName('flatten', new Set(nodes.map(({ key }) => key.split('.', 1)[0]!)));
  const add = (one: Omit<Operation, 'name'>) => {
    const name = uniqueName(one.key, taken);
    operations.push({ ...one, name } as Operation);
    return name;
  };
  for (const node of nodes) {
    const inputs = node.inputs.map((position) => (position < 0 ? IMAGE : names[position]!));
    if (node.op === 'select' && selectedChannels(tensorOf(state, node.key, 'indexes')) === null) {
      names.push(inputs[0]!);
      continue;
    }
    // A linear layer takes rows. Its result is rows, and so are the other inputs of any operation that reads rows.
    const isFlat = node.op === 'linear' || inputs.some((input) => flat.has(input));
    const asRows = (input: string) => (flat.has(input) ? input : add({ op: 'flatten', key: flatten, inputs: [input] }));
    const name = add({ ...node, inputs: isFlat ? inputs.map(asRows) : inputs });
    if (isFlat) flat.add(name);
    names.push(name);
  }
  return { operations, tensors: tensorsOf(operations, state) };
}

/** Numbers a name that is taken as torch.fx does (relu, relu_1, relu_2), and takes the result. */
export function uniqueName(key: string, taken: Set<string>): string {
  let name = key;
  for (let i = 1; taken.has(name); i++) name = `${key}_${i}`;
  taken.add(name);
  return name;
}

/** Tensors of each kind of operation, in PyTorch's order. A bias may be absent. */
const TENSORS: Partial<Record<Operation['op'], readonly string[]>> = {
  conv: ['weight', 'bias'],
  linear: ['weight', 'bias'],
  batchnorm: ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'],
  select: ['indexes'],
};

/** The tensors in the order of the operations. */
function tensorsOf(operations: readonly Operation[], state: StateDict): StateDict {
  const keys = operations.flatMap(({ op, key }) => (TENSORS[op] ?? []).map((name) => `${key}.${name}`));
  return new Map(keys.flatMap((key) => (state.has(key) ? [[key, state.get(key)!] as const] : [])));
}

/**
 * A tensor of an operation. Throws ERR_INTERNAL where it is missing, as a network has all that its description names.
 */
export function tensorOf(state: StateDict, key: string, name: string): TensorData {
  const tensor = state.get(`${key}.${name}`);
  if (!tensor) throw new EarlybirdError('ERR_INTERNAL', `The network has no tensor ${key}.${name}.`);
  return tensor;
}

/** The channels whose entry in `indexes` is not zero, or null where all are selected. */
export function selectedChannels(indexes: TensorData): number[] | null {
  const channels = [...floatsOf(indexes)].flatMap((value, channel) => (value === 0 ? [] : [channel]));
  return channels.length === indexes.shape[0] ? null : channels;
}

/** The values of a float32 tensor, copied where its bytes are not aligned. */
export function floatsOf({ data }: TensorData): Float32Array {
  const bytes = alignedTo(4, data);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** A float32 tensor of these values. */
export function floatTensor(values: Float32Array, shape: number[]): TensorData {
  return { dtype: 'float32', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}
