/** `earlybird retrain`: train a pruned ticket on. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'retrain',
  describe: 'Train a ticket on, with its own weights (--scratch FILE) or with new ones (--reinit)',
  async run(recipe, options) {
    const { retrain } = await import('../../train/retrain.js');
    const { reportRetrain } = await import('../../report/gather/reports.js');
    const run = await retrain(recipe, options);
    return { ...run.result, report: await reportRetrain(recipe, run, options.observer) };
  },
  print: async (result) => (await import('../print/run.js')).runText(result),
});
