/** `earlybird launch`: starts the ranks of this host, without Python. */
import { z } from 'zod';
import { EarlybirdError } from '../../errors';
import { launchSelf } from '../../ranks/launch';
import { count, option } from '../../recipe/option';
import { presetRecipe } from '../../recipe/presets';
import type { CommandName } from '../../recipe/recipe';
import { PARSER, RANKED } from '../arguments';
import type { Command } from '../command';
import { addOptions, entryNames, type Flags, recipeFrom } from '../options';

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
    process.exitCode = await launchSelf(nproc, words, await savedTo(words));
  },
});

/** The folder that a command line, its recipe file or its preset names, else the default of the commands above. */
export async function savedTo(words: readonly string[]): Promise<string> {
  const save = flagValue(words, /^--save(=|$)/);
  if (save !== undefined) return save;
  const source = words[0] as CommandName;
  const file = flagValue(words, /^--recipe(=|$)/);
  const { readRecipeFile } = await import('../recipe-file.js');
  const entries: Record<string, unknown> = file === undefined ? {} : readRecipeFile(file, entryNames(source)).entries;
  const preset = flagValue(words, /^--preset(=|$)/) ?? entries.preset;
  const fromPreset = typeof preset === 'string' ? presetRecipe(preset, source, ['save']) : {};
  const named = { ...fromPreset, ...entries }.save;
  return typeof named === 'string' ? named : './logs';
}

function flagValue(words: readonly string[], flag: RegExp): string | undefined {
  const at = words.findLastIndex((word) => flag.test(word));
  if (at < 0) return undefined;
  return words[at]!.includes('=') ? words[at]!.split('=').slice(1).join('=') : words[at + 1];
}
