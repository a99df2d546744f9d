import { hasWrappedKeys } from '../checkpoint/keys';
import { type Dict, isDict, type Value } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';
import { type Complete, FIELDS, type PrecisionOptions, precisionOptions, WORD_LENGTHS } from '../recipe/precision';

/** The options for a checkpoint: as given, else as it says. One line where it is of low precision and does not say its word lengths. */
export function optionsFor(
  given: PrecisionOptions,
  value: Value,
  name: string,
  said: NumberFormats | undefined,
  log: (line: string) => void = () => {},
): Complete {
  const unsaid = said === undefined && WORD_LENGTHS.every((key) => given[key] === undefined);
  if (unsaid && hasWrappedKeys(value)) {
    log(
      `${name} is of low precision but does not say its word lengths: taken in full precision; --wl-weight and the other --wl options say them`,
    );
  }
  return precisionOptions(given, said);
}

export function formatsValue(formats: NumberFormats | undefined): Value {
  if (!formats) return null;
  return new Map<string, Value>([
    ...FIELDS.map((field): [string, Value] => [field, formats[field]]),
    ['rounding', formats.rounding],
    ['flavour', formats.flavour ?? 'qtorch'],
  ]);
}

/** Reads it back; undefined where there is none. Throws ERR_CHECKPOINT for what no low-precision training has. */
export function formatsFrom(value: Value | undefined, name: string): NumberFormats | undefined {
  if (!isDict(value)) return undefined;
  const [rounding, flavour] = [value.get('rounding'), value.get('flavour') ?? 'qtorch'];
  const sound =
    FIELDS.every((field) => isWordLength(value.get(field))) &&
    (rounding === 'stochastic' || rounding === 'nearest') &&
    (flavour === 'qtorch' || flavour === 'swalp');
  if (!sound) {
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${name} has word lengths that make no sense (${shown(value)}): it is damaged, name another file.`,
    );
  }
  const lengths = Object.fromEntries(FIELDS.map((field) => [field, value.get(field)]));
  return { ...lengths, rounding, flavour } as NumberFormats;
}
const isWordLength = (value: Value | undefined) =>
  value === -1 || (Number.isInteger(value) && (value as number) >= 2 && (value as number) <= 22);
const shown = (value: Dict) => [...value].map(([key, entry]) => `${key} ${String(entry)}`).join(', ');
