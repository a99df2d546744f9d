/** `earlybird export CHECKPOINT`. */
import { defineCommand } from '../command';

const command = defineCommand({
  options: 'export',
  examples: [
    ['earlybird export SAVE/pruned.pth.tar --fold-bn', 'SAVE/pruned.onnx, its logits compared in onnxruntime'],
    ['earlybird export SAVE/pruned.pth.tar --measure', 'also images/s of the dense network and of the ticket'],
    ['earlybird export SAVE/model_best.pth.tar --format state-dict --out ticket/weights.pth', 'with ticket/model.py'],
  ],
  run: async (recipe, options) => (await import('../../export/export.js')).exportCheckpoint(recipe, options),
  print: async (result) => (await import('../print/export.js')).exportText(result),
});

export { command as export };
