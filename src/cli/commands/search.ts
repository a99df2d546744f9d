/** `earlybird search`: train the dense network and watch for Early-Bird tickets. */
import { reportSearch } from '../../experiment/run-report';
import { search } from '../../experiment/search';
import { defineCommand } from '../command';
import { runText } from '../text';

export const command = defineCommand({
  name: 'search',
  describe: 'Train the dense network and save Early-Bird tickets as they emerge',
  async run(recipe, options) {
    const { result, reused } = await search(recipe, options);
    const report = recipe.report && !reused ? await reportSearch(recipe, result, options.observer) : null;
    return { ...result, report };
  },
  print: runText,
});
