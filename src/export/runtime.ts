/** Runs ONNX networks in onnxruntime-node, which users install beside this package if they want, as it is large. */
import { EarlybirdError } from '../errors';
import type { TensorData } from '../tensor';
import { floatsOf, floatTensor } from './graph';
import { IMAGES } from './onnx';

/** Fields of onnxruntime-node that are used here. */
interface OnnxTensor {
  data: Float32Array;
  dims: readonly number[];
}
interface InferenceSession {
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}
interface Onnxruntime {
  InferenceSession: { create(model: Uint8Array, options: object): Promise<InferenceSession> };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
}

export interface Runtime {
  version: string;
  open(model: Uint8Array, threads?: number): Promise<Network>;
}

/** A network in onnxruntime. */
export interface Network extends AsyncDisposable {
  logits(images: TensorData): Promise<TensorData>;
}

const PACKAGE = 'onnxruntime-node';

/** Loads onnxruntime-node; a text says why it cannot be used. */
export function loadRuntime(load: (name: string) => unknown = require): Runtime | string {
  let ort: Onnxruntime;
  try {
    ort = load(PACKAGE) as Onnxruntime;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'MODULE_NOT_FOUND'
      ? `${PACKAGE} is not installed (npm install ${PACKAGE})`
      : `${PACKAGE} cannot be loaded: ${message.split('\n')[0]}`;
  }
  const { version } = load(`${PACKAGE}/package.json`) as { version: string };
  return { version, open: (model, threads) => openNetwork(ort, model, threads) };
}

async function openNetwork(ort: Onnxruntime, model: Uint8Array, threads?: number): Promise<Network> {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
  });
  return {
    async logits(images) {
      const { logits } = await session.run({ [IMAGES]: new ort.Tensor('float32', floatsOf(images), images.shape) });
      return floatTensor(logits!.data, [...logits!.dims]);
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

/** Throws ERR_USAGE where the runtime cannot be used. */
export function requireRuntime(runtime: Runtime | string): Runtime {
  if (typeof runtime !== 'string') return runtime;
  throw new EarlybirdError('ERR_USAGE', `--measure times networks in ${PACKAGE}, but ${runtime}.`);
}
