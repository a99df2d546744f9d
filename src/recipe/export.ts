/** The recipe of `earlybird export`. */
import { z } from 'zod';
import { checkpointNetwork, weightsKey } from './fields/network';
import { runtime } from './fields/runtime';
import { count, file, option } from './option';

/** Formats of `earlybird export`, each with the ending of its file. */
export const EXPORT_ENDINGS = { onnx: '.onnx', safetensors: '.safetensors', 'state-dict': '.state-dict.pth' } as const;
const FORMATS = Object.keys(EXPORT_ENDINGS) as [keyof typeof EXPORT_ENDINGS];

export const exportSchema = z.strictObject({
  checkpoint: option(file().min(1), 'the checkpoint to export', { positional: 'checkpoint' }),
  format: option(
    z.enum(FORMATS).default('onnx'),
    'onnx, safetensors, or state-dict: a PyTorch file and a model.py that builds the network from it',
  ),
  out: option(file().min(1).optional(), 'the file to write', {
    defaultHelp: 'CHECKPOINT with the ending of the format',
  }),
  foldBn: option(z.boolean().default(false), 'fold each BatchNorm that follows a convolution into its weights'),
  measure: option(
    z.boolean().default(false),
    'also time the dense network and this one in onnxruntime-node, as ONNX, and print images/s',
  ),
  batchSize: option(count(1, 4096).default(16), 'images in a batch of --measure'),
  rounds: option(count(1, 1000).default(9), 'runs of each network that --measure takes the median of'),
  imageSize: option(count(1, 4096).optional(), 'side of the images in pixels', {
    defaultHelp: 'as the checkpoint says, else that of the published network',
  }),
  ...checkpointNetwork,
  ...weightsKey,
  threads: runtime.threads,
});
