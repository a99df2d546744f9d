/**
 * Reads options from a file (--recipe): YAML, or JSON, which is YAML too. Nothing in it is executed: custom tags are
 * refused.
 */
import { readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { EarlybirdError, fileError } from '../errors';
import { nearest } from './nearest';
import type { FileEntries } from './options';

/** Most bytes of a recipe. */
const LARGEST = 2 ** 20;

/**
 * Reads the entries of a recipe. Entries without a value are left out.
 *
 * @param names entry for each spelling: its name, and its flags
 * @throws ERR_FILE, ERR_RECIPE
 */
export function readRecipeFile(path: string, names: ReadonlyMap<string, string>): FileEntries {
  const value = parsed(path, textOf(path));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(
      path,
      'is not a recipe: write one entry a line, such as "epochs: 160", or make one with earlybird init.',
    );
  }
  const known = new Set(names.values());
  const unknown = Object.keys(value).find((key) => !known.has(key));
  if (unknown !== undefined) {
    const near = names.get(unknown) ?? names.get(nearest(unknown, [...names.keys()]) ?? '');
    const advice = near === undefined ? 'earlybird init lists all of them.' : `did you mean ${near}?`;
    throw refused(path, `has an unknown entry, ${JSON.stringify(unknown)}: ${advice}`);
  }
  const given = Object.entries(value).filter(([, entry]) => entry !== null);
  return { path, entries: Object.fromEntries(given) };
}

function textOf(path: string): string {
  try {
    if (statSync(path).size > LARGEST)
      throw refused(path, `is larger than ${LARGEST / 2 ** 20} MB: it is not a recipe.`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

function parsed(path: string, text: string): unknown {
  const document = parseDocument(text, { logLevel: 'silent', prettyErrors: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem)
    throw refused(path, `is not valid YAML: ${problem.message.split('\n')[0]!.replace(/:$/, '')}; correct it.`);
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw refused(path, `cannot be read: ${(error as Error).message}; write it without aliases.`);
  }
}

const refused = (path: string, what: string) => new EarlybirdError('ERR_RECIPE', `${path} ${what}`);
