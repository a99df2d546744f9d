/** `earlybird metrics RUN...`: the metrics of runs for other programs. */
import { z } from 'zod';
import { option } from '../../recipe/option';
import { defineCommand } from '../command';

export const metrics = defineCommand({
  options: z.strictObject({
    folders: option(z.array(z.string()).min(1).default(['.']), 'folders of runs, or folders of those', {
      positional: 'folders',
      allowed: 'paths of folders',
    }),
    format: option(
      z.enum(['csv', 'tensorboard']).default('csv'),
      'csv: a table of all runs, an epoch a row, on the standard output; tensorboard: an event file in each folder',
    ),
  }),
  examples: [
    ['earlybird metrics runs/a > a.csv', 'a table of a run'],
    ['earlybird metrics runs --format tensorboard', 'all runs in a folder; then: tensorboard --logdir runs'],
  ],
  run: async ({ folders, format }) => {
    const { requireFolder } = await import('../../run/directory.js');
    for (const folder of folders) requireFolder(folder);
    if (format === 'csv') return (await import('../../tensorboard/table.js')).metricsRows(folders);
    const { EventFiles } = await import('../../tensorboard/event-files.js');
    return new EventFiles(folders).update();
  },
  print: async (result) =>
    result.every((one) => typeof one === 'string')
      ? result.join('\n')
      : (await import('../../report/figure-data.js')).csvOf(result as Exclude<typeof result, string[]>),
});
