/**
 * Turns a zod field into an option: help text, allowed values, other spellings, heading in the help. A recipe is a zod
 * object of such fields; flags, help, params.json and presets are all derived from it (cli/options.ts, recipe.ts).
 */
import { z } from 'zod';
import { EarlybirdError } from '../errors';

/** Headings of --help in order. Each field of recipe/fields/ belongs to one; `Common` gathers those needed most. */
export const GROUPS = ['Common', 'Data', 'Network', 'Training', 'Ticket', 'Precision', 'Machine', 'Output'] as const;
type Group = (typeof GROUPS)[number];

export interface OptionInfo {
  /** Heading of the option; absent where the option belongs to its command alone. */
  group?: Group;
  help: string;
  /** Correct values in words, as the end of "give ...". */
  allowed: string;
  /** Further spellings of the flag (the reference's), without dashes. */
  aliases?: readonly string[];
  /** Name of the flag, where it is not the key in kebab-case. */
  flag?: string;
  /** Default shown in help where the schema itself has none. */
  defaultHelp?: string;
  /** False where the option does not change what a run computes, so that it may differ when the run is resumed. */
  identity?: boolean;
  hidden?: boolean;
  /** Word in the usage line for an option that may be given without a flag, as in `inspect FILE`. */
  positional?: string;
}

export const OPTIONS = z.registry<OptionInfo>();

type Details = Partial<Omit<OptionInfo, 'help'>>;

/** Makes a field an option. `allowed` is needed only where it does not follow from the schema. */
export function option<T extends z.ZodType>(schema: T, help: string, allowed: string, details?: Details): T;
export function option<T extends z.ZodType>(schema: T, help: string, details?: Details): T;
export function option<T extends z.ZodType>(schema: T, help: string, given: string | Details = {}, more?: Details): T {
  const details = typeof given === 'string' ? { allowed: given, ...more } : given;
  OPTIONS.add(schema, { help, allowed: allowedBy(schema), ...details });
  return schema;
}

/** Returns `option` for the fields of one group. */
export function optionOf(group: Group): typeof option {
  return <T extends z.ZodType>(schema: T, help: string, given: string | Details = {}, more?: Details) =>
    typeof given === 'string'
      ? option(schema, help, given, { group, ...more })
      : option(schema, help, { group, ...given });
}

/** A copy of the option that is accepted but not shown. */
export function hidden<T extends z.ZodType>(schema: T): T {
  const copy = schema.clone() as T;
  OPTIONS.add(copy, { ...OPTIONS.get(schema)!, hidden: true });
  return copy;
}

/** Allowed values of the schemas below; schemas derived from them inherit the text. */
const ALLOWED = z.registry<{ text: string }>();

function describing<T extends z.ZodType>(schema: T, text: string): T {
  ALLOWED.add(schema, { text });
  return schema;
}

export const count = (minimum = 1, maximum?: number) => {
  const whole = z.number().int().min(minimum);
  if (maximum === undefined) return describing(whole, `a whole number, ${minimum} or more`);
  return describing(whole.max(maximum), `a whole number from ${minimum} to ${maximum}`);
};
/** Seconds that a timer of Node can wait: it takes a longer time for a millisecond. */
export const LONGEST_TIMER = 2_147_483;
export const positive = () => describing(z.number().positive(), 'a number above 0');
export const nonNegative = () => describing(z.number().min(0), 'a number, 0 or more');
/** A pruning ratio: 0 <= p < 1. */
export const ratio = () => describing(z.number().min(0).lt(1), 'a number from 0 up to, but not including, 1');
/** A refinement of lists in which nothing may stand twice. */
export const distinct = (list: readonly unknown[]) => new Set(list).size === list.length;
export const folder = () => describing(z.string(), 'the path of a folder');
export const file = () => describing(z.string(), 'the path of a file');

function allowedBy(schema: z.ZodType): string {
  const { type, innerType, entries } = schema.def as { type: string; innerType?: z.ZodType; entries?: object };
  if (innerType) return allowedBy(innerType);
  if (type === 'boolean') return 'true or false';
  if (entries) return `one of ${Object.values(entries).join(', ')}`;
  return ALLOWED.get(schema)?.text ?? 'another value';
}

/** Name of an option on a command line. */
export function flagOf(key: string, info?: OptionInfo): string {
  return info?.flag ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * Validates and completes options. Throws ERR_RECIPE with one sentence: option, value, and the values that are allowed.
 */
export function parseOptions<S extends z.ZodObject>(schema: S, input: Record<string, unknown>): z.infer<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new EarlybirdError('ERR_RECIPE', explain(schema, input, result.error.issues[0]!));
}

function explain(schema: z.ZodObject, input: Record<string, unknown>, issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `The recipe has an unknown entry: ${issue.keys.join(', ')}.`;
  const key = String(issue.path[0]);
  const info = OPTIONS.get(schema.shape[key] as z.ZodType);
  const name = info?.positional?.toUpperCase() ?? `--${flagOf(key, info)}`;
  const value = input[key];
  if (value === undefined) return `${name} is missing: give ${info?.allowed}.`;
  const shown = Array.isArray(value) ? value.join(' ') : String(value);
  return `${name} ${shown} is not possible: give ${info?.allowed}.`;
}

export function allHidden<T extends Record<string, z.ZodType>>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).map(([key, schema]) => [key, hidden(schema)])) as T;
}
