/** `earlybird train`: EB Train in one go. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'train',
  describe: 'Search until a ticket emerges, prune it out, train only that, and report',
  async run(recipe, options) {
    const { ebTrain } = await import('../../train/eb-train.js');
    const { reportTrain } = await import('../../report/gather/reports.js');
    const run = await ebTrain(recipe, options);
    return { ...run.result, report: await reportTrain(recipe, run, options.observer) };
  },
  print: async (result) => (await import('../print/run.js')).trainText(result),
});
