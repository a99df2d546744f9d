/** `earlybird search`: train the dense network and watch for Early-Bird tickets. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'search',
  describe: 'Train the dense network and save Early-Bird tickets as they emerge',
  async run(recipe, options) {
    const { search } = await import('../../train/search.js');
    const { reportSearch } = await import('../../report/gather/reports.js');
    const run = await search(recipe, options);
    return { ...run.result, report: await reportSearch(recipe, run, options.observer) };
  },
  print: async (result) => (await import('../print/run.js')).runText(result),
});
