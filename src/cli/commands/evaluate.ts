/** `earlybird evaluate`: test a checkpoint. */
import { evaluate } from '../../experiment/evaluate';
import { defineCommand } from '../command';
import { evaluateText } from '../text';

export const command = defineCommand({
  name: 'evaluate',
  describe: 'Test a checkpoint: exact top-1 and top-5, and the means over batches the reference prints',
  run: evaluate,
  print: evaluateText,
});
