/** `earlybird retrain`: train a pruned ticket on. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'retrain',
  describe: 'Train a ticket on, with its own weights (--scratch FILE) or with new ones (--reinit)',
  async run(recipe, options) {
    const { retrain } = await import('../../experiment/retrain.js');
    const { reportRetrain } = await import('../../experiment/run-report.js');
    const { result, reused } = await retrain(recipe, options);
    const report = recipe.report && !reused ? await reportRetrain(recipe, result, options.observer) : null;
    return { ...result, report };
  },
  print: async (result) => (await import('../text.js')).runText(result),
});
