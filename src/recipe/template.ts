/** Writes a recipe as a file to fill in, and its JSON Schema for editors, both from the schema of the options. */
import { z } from 'zod';
import { GROUPS, OPTIONS, type OptionInfo } from './option';
import { PRESETS } from './presets';
import { type CommandName, SCHEMAS } from './recipe';

interface Entry {
  key: string;
  schema: z.ZodType;
  info: OptionInfo;
}

/** Entries that are shown to people, in the order of --help. */
function entriesOf(command: CommandName): Entry[] {
  const shape = SCHEMAS[command].shape as Record<string, z.ZodType>;
  const entries = Object.entries(shape).flatMap(([key, schema]) => {
    const info = OPTIONS.get(schema);
    return info && !info.hidden ? [{ key, schema, info }] : [];
  });
  const order = ({ info: { group } }: Entry) => (group ? GROUPS.indexOf(group) : -1);
  return entries.sort((a, b) => order(a) - order(b));
}

/**
 * A commented YAML file: the meaning of each entry, its default as a comment, and the `given` entries as they are.
 *
 * @param schemaFile path of the JSON Schema, for editors
 */
export async function recipeTemplate(
  command: CommandName,
  given: Record<string, unknown>,
  schemaFile: string | null,
): Promise<string> {
  const { stringify } = await import('yaml');
  const line = (key: string, value: unknown) =>
    stringify({ [key]: value }, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 })
      .trim()
      .replace(/^\{([\s\S]*)\}$/, '$1');
  const entries = entriesOf(command);
  const groups = [...new Set(entries.map(({ info }) => info.group ?? 'Options'))];
  const sections = groups.map((group) => {
    const own = entries.filter(({ info }) => (info.group ?? 'Options') === group);
    const texts = own.map(({ key, schema, info }) => {
      const standard = (schema.def as { defaultValue?: unknown }).defaultValue;
      const about = `# ${info.help} [${info.allowed}]${info.defaultHelp ? ` (default: ${info.defaultHelp})` : ''}`;
      if (Object.hasOwn(given, key)) return `${about}\n${line(key, given[key])}`;
      return `${about}\n# ${standard === undefined ? `${key}:` : line(key, standard)}`;
    });
    return `### ${group}\n\n${texts.join('\n\n')}\n`;
  });
  const head = [
    ...(schemaFile === null ? [] : [`# yaml-language-server: $schema=${schemaFile}`]),
    `# For earlybird ${command} --recipe FILE. Options of the command line win over this file, and this file over a preset.`,
    '# Lines with # hold the defaults: take the # away to change one.',
  ];
  return `${head.join('\n')}\n\n${sections.join('\n')}`;
}

/** The JSON Schema of a recipe file (draft 2020-12). */
export function recipeJsonSchema(command: CommandName): object {
  const schema = SCHEMAS[command].extend({ preset: z.enum(Object.keys(PRESETS) as [string, ...string[]]).optional() });
  const made = z.toJSONSchema(schema as z.ZodType, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const info = OPTIONS.get(zodSchema as unknown as z.ZodType);
      if (info) jsonSchema.description = `${info.help} [${info.allowed}]`;
      if (info?.hidden) jsonSchema.deprecated = true;
    },
  });
  // A file may leave required entries to the command line.
  const { required, ...open } = made;
  return { ...open, title: `Recipe of earlybird ${command}` };
}
