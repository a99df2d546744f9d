/** Number formats in checkpoints of low-precision networks. */
import { hasWrappedKeys } from '../checkpoint/keys';
import { isDict, type Value } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';
import { type Complete, FIELDS, type PrecisionOptions, precisionOptions, WORD_LENGTHS } from '../recipe/precision';

/**
 * Completes the options for a checkpoint: as given, else `fromCheckpoint`, else the default. Logs a line for a checkpoint of low
 * precision where neither says the word lengths.
 */
export function precisionFor(
  given: PrecisionOptions,
  value: Value,
  name: string,
  fromCheckpoint: NumberFormats | undefined,
  log: (line: string) => void = () => {},
): Complete {
  const unknown = fromCheckpoint === undefined && WORD_LENGTHS.every((key) => given[key] === undefined);
  if (unknown && hasWrappedKeys(value)) {
    log(
      `${name} is of low precision but does not say its word lengths: taken in full precision; --wl-weight and the other --wl options say them`,
    );
  }
  return precisionOptions(given, fromCheckpoint);
}

export function formatsValue(formats: NumberFormats | undefined): Value {
  if (!formats) return null;
  return new Map<string, Value>([
    ...FIELDS.map((field): [string, Value] => [field, formats[field]]),
    ['rounding', formats.rounding],
    ['flavour', formats.flavour ?? 'qtorch'],
  ]);
}

/** Reads what formatsValue wrote; undefined where there is none. Throws ERR_CHECKPOINT for formats that do not exist. */
export function formatsFrom(value: Value | undefined, name: string): NumberFormats | undefined {
  if (!isDict(value)) return undefined;
  const [rounding, flavour] = [value.get('rounding'), value.get('flavour') ?? 'qtorch'];
  const sound =
    FIELDS.every((field) => isWordLength(value.get(field))) &&
    (rounding === 'stochastic' || rounding === 'nearest') &&
    (flavour === 'qtorch' || flavour === 'swalp');
  if (!sound) {
    const shown = [...value].map(([key, entry]) => `${key} ${String(entry)}`).join(', ');
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${name} has word lengths that make no sense (${shown}): it is damaged, name another file.`,
    );
  }
  const lengths = Object.fromEntries(FIELDS.map((field) => [field, value.get(field)]));
  return { ...lengths, rounding, flavour } as NumberFormats;
}

const isWordLength = (value: Value | undefined) =>
  value === -1 || (Number.isInteger(value) && (value as number) >= 2 && (value as number) <= 22);
