/** `earlybird evaluate`: test a checkpoint. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'evaluate',
  describe: 'Test a checkpoint: exact top-1 and top-5, and the means over batches the reference prints',
  run: async (recipe, options) => (await import('../../train/evaluate.js')).evaluate(recipe, options),
  print: async (result) => (await import('../print/run.js')).evaluateText(result),
});
