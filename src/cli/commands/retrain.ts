/** `earlybird retrain`: train a pruned ticket on. */
import { retrain } from '../../experiment/retrain';
import { reportRetrain } from '../../experiment/run-report';
import { defineCommand } from '../command';
import { runText } from '../text';

export const command = defineCommand({
  name: 'retrain',
  describe: 'Train a ticket on, with its own weights (--scratch FILE) or with new ones (--reinit)',
  async run(recipe, options) {
    const { result, reused } = await retrain(recipe, options);
    const report = recipe.report && !reused ? await reportRetrain(recipe, result, options.observer) : null;
    return { ...result, report };
  },
  print: runText,
});
