/** `earlybird retrain`: train a pruned ticket on. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'retrain',
  describe: 'Train a ticket on, with its own weights (--scratch FILE) or with new ones (--reinit)',
  async run(recipe, options) {
    const { retrain } = await import('../../train/retrain.js');
    const { reportRetrain, reportOnce } = await import('../../report/gather/runs.js');
    const { result, reused } = await retrain(recipe, options);
    const draw = () => reportRetrain(recipe, result, options.observer);
    const report = recipe.report ? await reportOnce(recipe.save, reused, draw) : null;
    return { ...result, report };
  },
  print: async (result) => (await import('../print/run.js')).runText(result),
});
