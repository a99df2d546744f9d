/** `earlybird search`: train the dense network and watch for Early-Bird tickets. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'search',
  describe: 'Train the dense network and save Early-Bird tickets as they emerge',
  async run(recipe, options) {
    const { search } = await import('../../train/search.js');
    const { reportSearch, reportOnce } = await import('../../report/gather/runs.js');
    const { result, reused } = await search(recipe, options);
    const draw = () => reportSearch(recipe, result, options.observer);
    const report = recipe.report ? await reportOnce(recipe.save, reused, draw) : null;
    return { ...result, report };
  },
  print: async (result) => (await import('../print/run.js')).runText(result),
});
