/** Command-line flags derived from option schemas: names, help, and the conversion of text to values. */
import type { Argv } from 'yargs';
import { z } from 'zod';
import { EarlybirdError } from '../errors';
import { idleNotes } from '../recipe/idle';
import { flagOf, GROUPS, OPTIONS, type OptionInfo, option, optionOf, parseOptions } from '../recipe/option';
import { PRESETS, presetNotes, presetRecipe } from '../recipe/presets';
import { type CommandName, parseRecipe, type Recipe, SCHEMAS } from '../recipe/recipe';
import { PARSER } from './arguments';
import { nearest } from './nearest';

/** The options of a command: those of a recipe, or a schema of its own. */
export type Source = CommandName | z.ZodObject;
export type Values<S extends Source> = S extends CommandName ? Recipe<S> : S extends z.ZodObject ? z.infer<S> : never;

const output = optionOf('Output');

/** Options beside the recipe. */
const SHELL = z.strictObject({
  preset: option(
    z.string().optional(),
    `start from a named recipe: ${Object.keys(PRESETS).join(', ')}`,
    'the name of a preset',
    { group: 'Common' },
  ),
  recipe: option(
    z.string().min(1).optional(),
    'take options from a YAML or JSON file, as earlybird init writes one; those of the command line win',
    'the path of a file',
    { group: 'Common' },
  ),
  force: output(z.boolean().default(false), 'start over where --save holds a finished or a different run'),
  printRecipe: output(z.boolean().default(false), 'print the validated options as JSON and stop'),
  referenceMetrics: output(
    z.boolean().default(false),
    'also print accuracies as the reference does, as means over batches; --json and record.txt always have them',
  ),
  json: output(z.boolean().default(false), 'print the result as one JSON value'),
  quiet: output(z.boolean().default(false), 'no progress and no log'),
});
export type Shell = z.infer<typeof SHELL>;

/**
 * Option that a command must have for these to mean anything. A preset names a network, --force starts a training over,
 * and a command that takes one checkpoint to continue or to test prints its accuracy.
 */
const ONLY_WITH: Partial<Record<keyof Shell, string>> = {
  preset: 'arch',
  recipe: 'arch',
  force: 'epochs',
  referenceMetrics: 'resume',
};

export type Flags = Record<string, unknown>;

interface Field {
  key: string;
  flag: string;
  schema: z.ZodType;
  info: OptionInfo;
  kind: Kind;
}

const schemaOf = (source: Source): z.ZodObject => (typeof source === 'string' ? SCHEMAS[source] : source);

function fieldsOf(source: Source): Field[] {
  const own = schemaOf(source).shape as Record<string, z.ZodType>;
  const shown = (key: string) => own[key] !== undefined && !OPTIONS.get(own[key])?.hidden;
  const shell = Object.entries(SHELL.shape).filter(([key]) => {
    const needed = ONLY_WITH[key as keyof Shell];
    return needed === undefined || shown(needed);
  });
  const first = shell.filter(([key]) => ['preset', 'recipe'].includes(key));
  return [...first, ...Object.entries(own), ...shell.slice(first.length)].map(([key, schema]) => {
    const info = OPTIONS.get(schema)!;
    return { key, flag: flagOf(key, info), schema, info, kind: kindOf(schema) };
  });
}

/** Words given without a flag, as the usage line shows them: `<file>`, `[folders..]`. */
export function positionalsOf(source: Source, needed = '<>'): string {
  const words = fieldsOf(source).flatMap(({ info: { positional }, kind }) => {
    const [open, close] = kind.required ? needed : '[]';
    return positional === undefined ? [] : [`${open}${positional}${kind.type === 'array' ? '..' : ''}${close}`];
  });
  return words.map((word) => ` ${word}`).join('');
}

/**
 * Adds the flags of a command. `recipeFrom` converts text to values, so that a wrong value gives one clear sentence.
 */
export function addOptions<T>(yargs: Argv<T>, source: Source): Argv<T> {
  const order = ({ info: { group } }: Field) => (group ? GROUPS.indexOf(group) : -1);
  for (const { flag, info, kind } of fieldsOf(source).sort((a, b) => order(a) - order(b))) {
    const { type, fallback } = kind;
    const list = type === 'array';
    if (info.positional) {
      // yargs takes a list of words as one flag given many times.
      if (list) yargs.parserConfiguration({ ...PARSER, 'duplicate-arguments-array': true });
      yargs.positional(info.positional, { ...(list ? { array: true } : {}), describe: info.help });
    }
    if (info.positional === flag) continue;
    const standard = info.defaultHelp ?? (fallback === false ? undefined : fallback && [fallback].flat().join(' '));
    yargs.option(flag, {
      alias: [...(info.aliases ?? [])],
      group: `${info.group ?? 'Options'}:`,
      describe: describe(flag, info, kind),
      ...(type === 'boolean' ? { boolean: true } : list ? { array: true } : { requiresArg: true }),
      ...(standard === undefined ? {} : { defaultDescription: String(standard) }),
      hidden: info.hidden === true,
    });
  }
  return yargs;
}

function describe(flag: string, { help, allowed }: OptionInfo, { type, fallback }: Kind): string {
  if (type !== 'boolean') return `${help} [${allowed}]`;
  return fallback === true ? `${help}; --no-${flag} turns it off` : help;
}

/** Entries of a recipe by name, and the file that they come from. */
export interface FileEntries {
  path: string;
  entries: Record<string, unknown>;
}

/** The entries that a recipe of this command may have, by their names and by the flags that stand for them. */
export function entryNames(source: Source): Map<string, string> {
  const fields = fieldsOf(source).filter(({ key }) => key === 'preset' || !Object.hasOwn(SHELL.shape, key));
  return new Map(
    fields.flatMap(({ key, flag, info }) => [key, flag, ...(info.aliases ?? [])].map((name) => [name, key])),
  );
}

/**
 * The validated options of a command line (defaults, then the preset, then the file, then the flags), and notes: on the
 * preset, and on given options that do nothing. Throws ERR_RECIPE, ERR_USAGE.
 */
export function recipeFrom<S extends Source>(
  source: S,
  flags: Flags,
  file: FileEntries | null = null,
): { recipe: Values<S>; shell: Shell; notes: string[] } {
  const fields = fieldsOf(source);
  refuseUnknown(fields, flags);
  const given: Record<string, unknown> = {};
  for (const {
    key,
    flag,
    schema,
    info,
    kind: { type },
  } of fields) {
    const word = info.positional === flag ? undefined : flags[info.positional!];
    if (word !== undefined && flags[flag] !== undefined)
      throw new EarlybirdError(
        'ERR_USAGE',
        `${info.positional!.toUpperCase()} and --${flag} are one option: give one.`,
      );
    const value = flags[flag] ?? word;
    if (type !== 'boolean' && [value].flat().includes(false))
      throw new EarlybirdError('ERR_USAGE', `--no-${flag} is not possible: --${flag} takes a value, ${info.allowed}.`);
    // yargs makes an empty list of words that are absent, and of a flag without a value.
    const isEmpty = Array.isArray(value) && value.length === 0;
    if (isEmpty && info.positional === undefined)
      throw new EarlybirdError('ERR_USAGE', `--${flag} needs a value: give ${info.allowed}.`);
    if (value !== undefined && !isEmpty) given[key] = fromText(value, schema);
  }
  const shell = SHELL.parse(Object.fromEntries(Object.keys(SHELL.shape).map((key) => [key, given[key]])));
  const own = schemaOf(source).shape;
  for (const key of Object.keys(SHELL.shape)) if (!Object.hasOwn(own, key)) delete given[key];
  if (typeof source !== 'string') return { recipe: parseOptions(source, given) as Values<S>, shell, notes: [] };
  const { preset: named, ...entries } = file?.entries ?? {};
  const name = shell.preset ?? (named as string | undefined);
  const chosen = { ...entries, ...given };
  const preset = name === undefined ? {} : presetRecipe(name, source, Object.keys(schemaOf(source).shape), chosen);
  const notes = name === undefined ? [] : presetNotes(name, source).map((text) => `preset ${name}: ${text}`);
  try {
    const recipe = parseRecipe(source, { ...preset, ...chosen }) as Values<S>;
    return { recipe, shell, notes: [...notes, ...idleNotes(source, recipe, chosen)] };
  } catch (error) {
    const { code, message } = error as EarlybirdError;
    const own = fields.some(({ key, flag }) => key in entries && !(key in given) && message.startsWith(`--${flag} `));
    throw own ? new EarlybirdError(code, `${file!.path}: ${message}`) : error;
  }
}

function refuseUnknown(fields: readonly Field[], flags: Flags): void {
  const known = fields.flatMap(({ flag, info }) => [flag, info.positional ?? flag, ...(info.aliases ?? [])]);
  const name = Object.keys(flags).find((flag) => !['_', '$0', 'help', 'h', 'version', 'V', ...known].includes(flag));
  if (name === undefined) return;
  // A name has the value false only where it was given as --no-name.
  const no = flags[name] === false ? 'no-' : '';
  const switches = fields.flatMap(({ flag, kind }) => (kind.type === 'boolean' ? flag : []));
  const near = nearest(name, no ? switches : known);
  throw new EarlybirdError(
    'ERR_USAGE',
    `--${no}${name} is not an option of this command: ${near ? `did you mean --${no}${near}?` : '--help lists them.'}`,
  );
}

interface Kind {
  type: string;
  required: boolean;
  fallback?: unknown;
  element?: z.ZodType;
}

/** The kind of a field beneath default() and optional(). */
function kindOf(schema: z.ZodType): Kind {
  const def = schema.def as { type: string; innerType?: z.ZodType; defaultValue?: unknown; element?: z.ZodType };
  if (!def.innerType) return { type: def.type, required: true, ...(def.element ? { element: def.element } : {}) };
  const inner = { ...kindOf(def.innerType), required: false };
  return def.type === 'default' ? { ...inner, fallback: def.defaultValue } : inner;
}

/** Converts text to numbers and lists; other text stays as it is, so that the schema refuses it with its value. */
function fromText(value: unknown, schema: z.ZodType): unknown {
  const { type, element } = kindOf(schema);
  if (type === 'array') {
    // 80,120 and 80 120 are one list, but a path may hold a comma. One empty word is a list of nothing.
    const words = [value].flat().map(String);
    if (words.length === 1 && words[0] === '') return [];
    const items = kindOf(element!).type === 'string' ? words : words.flatMap((word) => word.split(','));
    return items.map((item) => fromText(item, element!));
  }
  const last = Array.isArray(value) ? value.at(-1) : value;
  return (type === 'number' || type === 'union') && typeof last === 'string' ? numberOr(last) : last;
}

function numberOr(text: string): number | string {
  const number = Number(text);
  return text.trim() === '' || Number.isNaN(number) ? text : number;
}
