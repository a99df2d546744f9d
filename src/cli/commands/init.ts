/** `earlybird init`: a recipe file to fill in. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../atomic';
import { EarlybirdError } from '../../errors';
import { option } from '../../recipe/option';
import { PRESETS, presetRecipe } from '../../recipe/presets';
import { SCHEMAS } from '../../recipe/recipe';
import { recipeJsonSchema, recipeTemplate } from '../../recipe/template';
import { defineCommand } from '../command';

const COMMANDS = ['train', 'search', 'retrain', 'prune', 'evaluate', 'study'] as const;

export const init = defineCommand({
  options: z.strictObject({
    command: option(z.enum(COMMANDS).default('train'), 'the command that the recipe is for', { positional: 'command' }),
    preset: option(
      z.string().optional(),
      `fill in a named recipe: ${Object.keys(PRESETS).join(', ')}`,
      'the name of a preset',
    ),
    output: option(
      z.string().min(1).default('earlybird.yaml'),
      'file to write',
      'the path of a file that is not there',
    ),
  }),
  examples: [
    ['earlybird init', 'earlybird.yaml for train, and train.schema.json, which editors check it by'],
    ['earlybird init search --preset vgg16-cifar10 --output vgg.yaml', 'with the entries of a preset filled in'],
    ['earlybird train --recipe earlybird.yaml --epochs 80', 'the recipe, with an option of it changed'],
  ],
  run: async ({ command, preset, output }) => {
    const keys = Object.keys(SCHEMAS[command].shape);
    const given = preset === undefined ? {} : presetRecipe(preset, command, keys);
    if (existsSync(output)) {
      throw new EarlybirdError('ERR_FILE', `${output} is there already: choose another --output, or remove it.`);
    }
    const schema = `${command}.schema.json`;
    const files = { recipe: output, schema: join(dirname(output), schema) };
    await writeFileAtomic(files.schema, `${JSON.stringify(recipeJsonSchema(command), null, 2)}\n`);
    await writeFileAtomic(files.recipe, await recipeTemplate(command, given, schema));
    return files;
  },
  print: ({ recipe, schema }) => `${recipe}\n${schema}`,
});
