/** Command-line flags, derived from the recipe schemas: names, help, and how text becomes values. */
import type { Argv } from 'yargs';
import { z } from 'zod';
import { flagOf, OPTIONS, option, SWITCH } from '../recipe/option';
import { PRESETS, presetNotes, presetRecipe } from '../recipe/presets';
import { type CommandName, parseRecipe, type Recipe, SCHEMAS } from '../recipe/recipe';
import { PARSER } from './arguments';

/** Options every command takes beside its recipe. */
const SHELL = z.strictObject({
  preset: option(
    z.string().optional(),
    `start from a named recipe: ${Object.keys(PRESETS).join(', ')}`,
    'the name of a preset',
  ),
  printRecipe: option(z.boolean().default(false), 'print the validated recipe as JSON and stop', SWITCH),
  force: option(z.boolean().default(false), 'start over where --save holds a finished or a different run', SWITCH),
  json: option(z.boolean().default(false), 'print the result as one JSON object', SWITCH),
  quiet: option(z.boolean().default(false), 'no progress and no log', SWITCH),
});
type Shell = z.infer<typeof SHELL>;

export type Flags = Record<string, unknown>;

/** Adds the flags of a command. Text becomes values in `recipeFrom`, so that a wrong one gives one clear sentence. */
export function addOptions<T>(yargs: Argv<T>, command: CommandName): Argv<T> {
  let result = yargs;
  for (const [key, schema] of entries(command)) {
    const info = OPTIONS.get(schema)!;
    const { type, fallback } = kindOf(schema);
    if (info.positional) {
      // A list of words is read as one flag given many times.
      result = result.parserConfiguration({ ...PARSER, 'duplicate-arguments-array': true });
      result = result.positional(flagOf(key, info), { array: true, string: true, describe: info.help });
      continue;
    }
    const standard =
      info.defaultHelp ?? (fallback === undefined || fallback === false ? undefined : [fallback].flat().join(' '));
    result = result.option(flagOf(key, info), {
      alias: [...(info.aliases ?? [])],
      describe: type === 'boolean' ? info.help : `${info.help} [${info.allowed}]`,
      ...(type === 'boolean'
        ? { boolean: true }
        : type === 'array'
          ? { array: true, string: true }
          : { string: true, requiresArg: true }),
      ...(standard === undefined ? {} : { defaultDescription: standard }),
      ...(info.hidden ? { hidden: true } : {}),
    });
  }
  return result;
}

/** The validated recipe of a command line: defaults, then the preset, then the flags; and what to say of the preset. Throws ERR_RECIPE, ERR_USAGE. */
export function recipeFrom<C extends CommandName>(
  command: C,
  flags: Flags,
): { recipe: Recipe<C>; shell: Shell; notes: string[] } {
  const given: Record<string, unknown> = {};
  for (const [key, schema] of entries(command)) {
    const value = flags[flagOf(key, OPTIONS.get(schema))];
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) given[key] = fromText(value, schema);
  }
  const shell = SHELL.parse(Object.fromEntries(Object.keys(SHELL.shape).map((key) => [key, given[key]])));
  for (const key of Object.keys(SHELL.shape)) delete given[key];
  const name = shell.preset;
  const preset = name === undefined ? {} : presetRecipe(name, command, Object.keys(SCHEMAS[command].shape));
  const notes = name === undefined ? [] : presetNotes(name, command).map((text) => `preset ${name}: ${text}`);
  return { recipe: parseRecipe(command, { ...preset, ...given }), shell, notes };
}

function entries(command: CommandName): [string, z.ZodType][] {
  return Object.entries({ ...SCHEMAS[command].shape, ...SHELL.shape });
}

interface Kind {
  type: string;
  fallback: unknown;
  element?: z.ZodType;
}

/** Looks through default() and optional() at what a field really is. */
function kindOf(schema: z.ZodType): Kind {
  const def = schema.def as { type: string; innerType?: z.ZodType; defaultValue?: unknown; element?: z.ZodType };
  if (!def.innerType) return { type: def.type, fallback: undefined, ...(def.element ? { element: def.element } : {}) };
  const inner = kindOf(def.innerType);
  return def.type === 'default' ? { ...inner, fallback: def.defaultValue } : inner;
}

/** Numbers and lists from text; what is no number stays text, for the schema to refuse with its value. */
function fromText(value: unknown, schema: z.ZodType): unknown {
  const { type, element } = kindOf(schema);
  if (type === 'array') return [value].flat().map((item) => fromText(item, element!));
  const last = Array.isArray(value) ? value.at(-1) : value;
  return (type === 'number' || type === 'union') && typeof last === 'string' ? numberOr(last) : last;
}

function numberOr(text: string): number | string {
  const number = Number(text);
  return text.trim() === '' || Number.isNaN(number) ? text : number;
}
