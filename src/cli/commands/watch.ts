/** `earlybird watch DIR...`: a page that shows runs as they go. */
import { z } from 'zod';
import { count, option } from '../../recipe/option';
import { defineCommand } from '../command';

export const watch = defineCommand({
  options: z.strictObject({
    folders: option(z.array(z.string()).min(1).default(['.']), 'folders of runs, or folders of those', {
      positional: 'folders',
      allowed: 'paths of folders',
    }),
    port: option(count(1, 65535).optional(), 'port on 127.0.0.1', { defaultHelp: '8316, or any free one' }),
  }),
  examples: [
    ['earlybird watch runs/a', 'a run while it trains'],
    ['earlybird watch runs', 'all runs in a folder, side by side'],
    [
      'ssh -t -L 8316:127.0.0.1:8316 MACHINE earlybird watch runs',
      'those of another machine that has earlybird on its PATH, in the browser of this one',
    ],
  ],
  run: async ({ folders, port }, { observer, signal }) => {
    const { watch: serve } = await import('../../watch/watch.js');
    const page = await serve(folders, { port, signal });
    observer?.log?.(`${page.url} shows the runs of ${folders.join(', ')}; Ctrl-C ends it`);
    await page.closed;
    return null;
  },
  print: () => '',
});
