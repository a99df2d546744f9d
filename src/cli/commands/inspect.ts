/** `earlybird inspect FILE`: shows the content of a checkpoint, safetensors or .npy file. Works without LibTorch. */
import { z } from 'zod';
import { inspectFile } from '../../checkpoint/inspect';
import { weightsKey } from '../../recipe/fields/network';
import { file, option } from '../../recipe/option';
import { defineCommand } from '../command';
import { inspectText } from '../print/inspect';

export const inspect = defineCommand({
  options: z.strictObject({
    file: option(file().min(1), 'the file to look into', { positional: 'file' }),
    ...weightsKey,
  }),
  examples: [
    ['earlybird inspect SAVE/EB-30-9.pth.tar', 'keys, shapes and dtypes of a ticket'],
    ['earlybird inspect model.pth --key state_dict_ema', 'one of several networks in a file'],
  ],
  run: ({ file, key }) => inspectFile(file, key),
  print: inspectText,
});
