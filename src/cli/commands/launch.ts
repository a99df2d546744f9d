/** `earlybird launch`: the ranks of this host, without Python. */
import { z } from 'zod';
import { EarlybirdError } from '../../errors';
import { launchSelf } from '../../ranks/launch';
import { count, option } from '../../recipe/option';
import { PARSER, RANKED } from '../arguments';
import type { Command } from '../command';
import { addOptions, type Flags, recipeFrom } from '../options';

const schema = z.strictObject({
  nproc: option(count(1), 'number of ranks', { group: 'Common', aliases: ['nproc-per-node'] }),
});

export const launch: Command = (path, describe) => ({
  command: path,
  describe,
  builder: (yargs) =>
    addOptions(
      yargs
        .parserConfiguration({ ...PARSER, 'populate--': true })
        .usage(
          `earlybird launch --nproc N [--] <command> [options]\n\n${describe}\n\nExamples:\n# two ranks, which share the cores\n$ earlybird launch --nproc 2 train --preset vgg16-cifar10 --data DIR`,
        ),
      schema,
    ),
  handler: async ({ '--': rest, ...flags }: Flags) => {
    const { nproc } = recipeFrom(schema, flags).recipe;
    const words = (rest ?? []) as string[];
    if (!RANKED.includes(words[0] ?? '')) {
      throw new EarlybirdError(
        'ERR_USAGE',
        `launch starts one of ${RANKED.join(', ')}: earlybird launch --nproc ${nproc} train --data DIR.`,
      );
    }
    process.exitCode = await launchSelf(nproc, words, savedTo(words));
  },
});

/** The folder that a command line names; the default of the commands above. */
function savedTo(words: readonly string[]): string {
  const at = words.findLastIndex((word) => /^--(save|out)(=|$)/.test(word));
  if (at < 0) return './logs';
  return words[at]!.includes('=') ? words[at]!.split('=').slice(1).join('=') : (words[at + 1] ?? './logs');
}
