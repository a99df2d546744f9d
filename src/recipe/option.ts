/**
 * Turns a zod field into an option: help text, allowed values, other spellings, heading of the help. A recipe is a zod object
 * of such fields; flags, help, params.json and presets are all read from it (cli/options.ts, recipe.ts).
 */
import { z } from 'zod';
import { EarlybirdError } from '../errors';

/** Headings of --help, in their order. Fields of recipe/fields/ belong to one each; `Common` gathers those needed most. */
export const GROUPS = ['Common', 'Data', 'Network', 'Training', 'Ticket', 'Precision', 'Machine', 'Output'] as const;
type Group = (typeof GROUPS)[number];

export interface OptionInfo {
  /** None: an option of its command alone. */
  group?: Group;
  help: string;
  /** Completes "give ...": what a correct value looks like. */
  allowed: string;
  /** Further spellings of the flag (the reference's), without dashes. */
  aliases?: readonly string[];
  /** The flag, where it is not simply the key in kebab-case. */
  flag?: string;
  /** Shown as the default where the schema itself has none. */
  defaultHelp?: string;
  /** False: does not change what a run computes, so it may differ when the run is resumed. */
  identity?: boolean;
  hidden?: boolean;
  /** Also given without a flag, as in `inspect FILE`: the word that stands for it in the usage line. */
  positional?: string;
}

export const OPTIONS = z.registry<OptionInfo>();

type Details = Omit<OptionInfo, 'help' | 'allowed'>;

export function option<T extends z.ZodType>(schema: T, help: string, allowed: string, details: Details = {}): T {
  OPTIONS.add(schema, { help, allowed, ...details });
  return schema;
}

/** `option` for the fields of one group. */
export function optionOf(group: Group): typeof option {
  return (schema, help, allowed, details) => option(schema, help, allowed, { group, ...details });
}

/** The same option, accepted but not shown. */
export function hidden<T extends z.ZodType>(schema: T): T {
  const copy = schema.clone() as T;
  OPTIONS.add(copy, { ...OPTIONS.get(schema)!, hidden: true });
  return copy;
}

export const count = (minimum = 1) => z.number().int().min(minimum);
export const positive = () => z.number().positive();
export const nonNegative = () => z.number().min(0);
/** A pruning ratio: 0 <= p < 1. */
export const ratio = () => z.number().min(0).lt(1);

export const wholeNumber = (minimum = 1) => `a whole number, ${minimum} or more`;
export const POSITIVE = 'a number above 0';
export const NON_NEGATIVE = 'a number, 0 or more';
export const RATIO = 'a number from 0 up to, but not including, 1';
export const FOLDER = 'the path of a folder';
export const FILE = 'the path of a file';
export const SWITCH = 'true or false';
export const oneOf = (values: readonly string[]) => `one of ${values.join(', ')}`;

/** The names of a zod object's option, as a command line spells them. */
export function flagOf(key: string, info?: OptionInfo): string {
  return info?.flag ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Validates and completes options. Throws ERR_RECIPE with one sentence: option, value, what is allowed. */
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
