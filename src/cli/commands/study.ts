/** `earlybird study`. */
import type { StudyResult } from '../../study/summary';
import { defineCommand } from '../command';

export const study = defineCommand({
  options: 'study',
  examples: [
    ['earlybird study --preset vgg16-cifar10 --data DIR --dry-run', 'the runs of a study, their FLOPs and their time'],
    ['earlybird study --preset vgg16-cifar10 --data DIR --save runs/study', 'the study; the same command goes on'],
    ['earlybird study --merge a b --save runs/study', 'join what two machines did by --shard 1/2 and 2/2'],
  ],
  run: async (recipe, options) => {
    if (recipe.merge) return (await import('../../study/merge.js')).mergeStudies(recipe.merge, recipe.save, options);
    if (recipe.dryRun) return (await import('../../study/estimate.js')).planStudy(recipe);
    const { study, runOnly } = await import('../../study/study.js');
    if (recipe.only !== undefined) return runOnly(recipe, recipe.only, options);
    const result = await study(recipe, options);
    if (hasFailed(result)) process.exitCode = 1;
    return result;
  },
  print: async (result) => (await import('../print/study.js')).studyResultText(result),
});

const hasFailed = ({ runs, failedSearches }: StudyResult) =>
  failedSearches.length > 0 || runs.some(({ state }) => state === 'failed');
