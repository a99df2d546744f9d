/**
 * Writes ONNX files (https://onnx.ai, operator set 17) with one node for each operation, under the names of PyTorch's
 * modules.
 */
import { IMAGE } from '../network/schema';
import { floatsOf, floatTensor, type Graph, type Operation, selectedChannels, tensorOf, uniqueName } from './graph';
import { ATTRIBUTE_TYPE, ONNX, TENSOR_TYPE } from './onnx-schema';

/** Operator set and version of the file format of ONNX 1.12 (2022), which all later runtimes read. */
export const OPSET = 17;
const IR_VERSION = 8;
/** Names of the input and the output of a file. */
export const IMAGES = 'images';
const LOGITS = 'logits';

export interface OnnxOptions {
  /** Shape of an image, [channels, height, width]; the batch is open. */
  input: readonly [number, number, number];
  classes: number;
  name: string;
  version: string;
  /** Text by key, which runtimes show. */
  metadata: Record<string, string>;
}

/** The bytes of the file. */
export async function onnxBytes({ operations, tensors }: Graph, options: OnnxOptions): Promise<Uint8Array> {
  const protobuf = await import('protobufjs');
  const type = protobuf.Root.fromJSON(ONNX).lookupType('ModelProto');
  const results = namesOfResults(operations);
  const parts = operations.map((one) => translated(one, tensors));
  const model = {
    irVersion: IR_VERSION,
    producerName: 'earlybird',
    producerVersion: options.version,
    docString: `${options.name}: logits of images, normalised as the metadata says`,
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: Object.entries(options.metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: options.name,
      node: operations.map(({ name, inputs }, i) => ({
        name,
        opType: parts[i]!.opType,
        input: [...inputs.map((input) => results.get(input)!), ...parts[i]!.weights.map((weight) => weight.name)],
        output: [results.get(name)!],
        attribute: Object.entries(parts[i]!.attributes).map(([key, value]) => attribute(key, value)),
      })),
      initializer: parts.flatMap(({ weights }) => weights),
      input: [valueInfo(IMAGES, options.input)],
      output: [valueInfo(LOGITS, [options.classes])],
    },
  };
  return type.encode(type.fromObject(model)).finish();
}

/**
 * The name in the file of each operation's result: that of the operation. Input and output have fixed names, so another
 * operation of such a name is numbered.
 */
function namesOfResults(operations: readonly Operation[]): Map<string, string> {
  const results = new Map<string, string>([
    [IMAGE, IMAGES],
    [operations.at(-1)!.name, LOGITS],
  ]);
  const taken = new Set(results.values());
  for (const { name } of operations) if (!results.has(name)) results.set(name, uniqueName(name, taken));
  return results;
}

interface Translated {
  opType: string;
  attributes: Record<string, number | number[] | Float>;
  /** Initializers, which are inputs after the operands. */
  weights: { name: string; dims: number[]; dataType: number; rawData: Uint8Array }[];
}

/** Marks an attribute as a float even where its value is whole. */
class Float {
  constructor(readonly value: number) {}
}

function translated(one: Operation, tensors: Graph['tensors']): Translated {
  const weights = (...names: string[]) =>
    names.flatMap((name) => (tensors.has(`${one.key}.${name}`) ? [floats(tensors, one.key, name)] : []));
  const window = (kernel: number, stride: number, padding: number) => ({
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  });
  switch (one.op) {
    case 'conv':
      return {
        opType: 'Conv',
        attributes: { ...window(one.kernel, one.stride, one.padding), group: one.groups },
        weights: weights('weight', 'bias'),
      };
    case 'batchnorm':
      return {
        opType: 'BatchNormalization',
        attributes: { epsilon: new Float(one.eps) },
        weights: weights('weight', 'bias', 'running_mean', 'running_var'),
      };
    case 'maxpool':
      return { opType: 'MaxPool', attributes: window(one.kernel, one.stride, one.padding), weights: [] };
    case 'avgpool': {
      // PyTorch counts the padding in the mean unless told otherwise.
      const attributes = { ...window(one.kernel, one.stride, one.padding), count_include_pad: 1 };
      return { opType: 'AveragePool', attributes, weights: [] };
    }
    case 'linear':
      return { opType: 'Gemm', attributes: { transB: 1 }, weights: weights('weight', 'bias') };
    case 'select':
      return { opType: 'Gather', attributes: { axis: 1 }, weights: [channels(tensors, one.key)] };
    case 'flatten':
      return { opType: 'Flatten', attributes: { axis: 1 }, weights: [] };
    case 'concat':
      return { opType: 'Concat', attributes: { axis: 1 }, weights: [] };
    case 'relu':
      if (one.max === undefined) return { opType: 'Relu', attributes: {}, weights: [] };
      return {
        opType: 'Clip',
        attributes: {},
        weights: [scalar(`${one.name}.min`, 0), scalar(`${one.name}.max`, one.max)],
      };
    default:
      return { opType: 'Add', attributes: {}, weights: [] };
  }
}

function floats(tensors: Graph['tensors'], key: string, name: string): Translated['weights'][number] {
  const { shape, data } = tensorOf(tensors, key, name);
  return { name: `${key}.${name}`, dims: shape, dataType: TENSOR_TYPE.float32, rawData: data };
}

function scalar(name: string, value: number): Translated['weights'][number] {
  return { name, dims: [], dataType: TENSOR_TYPE.float32, rawData: floatTensor(Float32Array.of(value), []).data };
}

function channels(tensors: Graph['tensors'], key: string): Translated['weights'][number] {
  const indexes = tensorOf(tensors, key, 'indexes');
  const selected = selectedChannels(indexes) ?? [...floatsOf(indexes).keys()];
  const values = BigInt64Array.from(selected, BigInt);
  const rawData = new Uint8Array(values.buffer);
  return { name: `${key}.channels`, dims: [values.length], dataType: TENSOR_TYPE.int64, rawData };
}

function attribute(name: string, value: number | number[] | Float) {
  if (value instanceof Float) return { name, f: value.value, type: ATTRIBUTE_TYPE.f };
  return Array.isArray(value)
    ? { name, ints: value, type: ATTRIBUTE_TYPE.ints }
    : { name, i: value, type: ATTRIBUTE_TYPE.i };
}

/** Description of a float32 tensor with an open batch. */
function valueInfo(name: string, sizes: readonly number[]) {
  const dim = [{ dimParam: 'batch' }, ...sizes.map((size) => ({ dimValue: size }))];
  return { name, type: { tensorType: { elemType: TENSOR_TYPE.float32, shape: { dim } } } };
}
