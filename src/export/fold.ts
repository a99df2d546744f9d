/**
 * Folds BatchNorm into the convolution before it (Jacob et al., "Quantization and Training of Neural Networks for
 * Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2): in evaluation both are linear.
 */
import type { StateDict } from '../tensor';
import { floatsOf, floatTensor, type Graph, type Operation, tensorOf } from './graph';

type Norm = Extract<Operation, { op: 'batchnorm' }>;

/**
 * Removes each BatchNorm that is the only reader of a convolution, which keeps the function; `folded` counts them.
 * Others stay.
 */
export function foldNorms({ operations, tensors }: Graph): Graph & { folded: number } {
  const readers = (name: string) => operations.filter(({ inputs }) => inputs.includes(name)).length;
  const convolutions = new Map(operations.flatMap((one) => (one.op === 'conv' ? [[one.name, one] as const] : [])));
  const folding = operations.filter(
    (one): one is Norm => one.op === 'batchnorm' && convolutions.has(one.inputs[0]!) && readers(one.inputs[0]!) === 1,
  );
  const folded = new Map(folding.map((norm) => [convolutions.get(norm.inputs[0]!)!.key, norm]));
  const replaced = new Map(folding.map(({ name, inputs }) => [name, inputs[0]!]));
  const own = new Set(folding.map(({ key }) => key));
  return {
    operations: operations
      .filter(({ name }) => !replaced.has(name))
      .map((one) => ({ ...one, inputs: one.inputs.map((name) => replaced.get(name) ?? name) })),
    tensors: new Map(
      [...tensors].flatMap(([key, tensor]) => {
        const [layer, name] = [key.slice(0, key.lastIndexOf('.')), key.slice(key.lastIndexOf('.') + 1)];
        if (own.has(layer)) return [];
        const norm = folded.get(layer);
        if (!norm) return [[key, tensor] as const];
        return name === 'weight' ? foldedTensors(layer, norm, tensors) : [];
      }),
    ),
    folded: folding.length,
  };
}

/** Weight and bias of convolution and BatchNorm combined, computed in double precision. */
function foldedTensors(conv: string, { key, eps }: Norm, tensors: StateDict) {
  const weight = tensorOf(tensors, conv, 'weight');
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((name) =>
    floatsOf(tensorOf(tensors, key, name)),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const bias = tensors.get(`${conv}.bias`);
  const before = bias ? floatsOf(bias) : new Float32Array(gamma.length);
  const values = floatsOf(weight);
  const width = values.length / gamma.length;
  const scale = (channel: number) => gamma[channel]! / Math.sqrt(variance[channel]! + eps);
  const scaled = values.map((value, i) => value * scale(Math.floor(i / width)));
  const shifted = before.map((value, channel) => beta[channel]! + (value - mean[channel]!) * scale(channel));
  return [
    [`${conv}.weight`, floatTensor(scaled, weight.shape)],
    [`${conv}.bias`, floatTensor(shifted, [gamma.length])],
  ] as const;
}
