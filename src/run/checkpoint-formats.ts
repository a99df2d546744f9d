/** Reads and writes the number formats in checkpoints of low-precision networks. */
import { hasWrappedKeys } from '../checkpoint/keys';
import { isDict, type Value } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';
import {
  type Complete,
  FIELDS,
  FORMAT_BITS,
  type PrecisionOptions,
  precisionOptions,
  saysFormats,
} from '../recipe/precision';

/**
 * Completes the options for a checkpoint: as given, else `fromCheckpoint`, else the default. Logs a line for a
 * checkpoint of low precision where neither gives the word lengths.
 */
export function precisionFor(
  given: PrecisionOptions,
  value: Value,
  name: string,
  fromCheckpoint: NumberFormats | undefined,
  log: (line: string) => void = () => {},
): Complete {
  if (fromCheckpoint === undefined && !saysFormats(given) && hasWrappedKeys(value)) {
    log(
      `${name} is of low precision but does not say its word lengths: taken in full precision; --format, or --wl-weight and the other --wl options, say them`,
    );
  }
  return precisionOptions(given, fromCheckpoint);
}

/** Entries that only MX formats have. */
const MX_ENTRIES = ['scale', 'operandRounding', 'roundedWeights'] as const;

export function formatsValue(formats: NumberFormats | undefined): Value {
  if (!formats) return null;
  return new Map<string, Value>([
    ...FIELDS.map((field): [string, Value] => [field, formats[field]]),
    ['rounding', formats.rounding],
    ['flavour', formats.flavour ?? 'qtorch'],
    ...MX_ENTRIES.flatMap((key): [string, Value][] => (formats[key] === undefined ? [] : [[key, formats[key]]])),
  ]);
}

/** Tests for the value of each entry. */
const isWordLength = (value: Value | undefined) =>
  value === -1 || (Number.isInteger(value) && (value as number) >= 2 && (value as number) <= 22);
const isMx = (value: Value | undefined) =>
  typeof value === 'string' && value !== 'bfp8' && Object.hasOwn(FORMAT_BITS, value);
const oneOf =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value);
const SOUND: Record<string, (value: Value | undefined) => boolean> = {
  ...Object.fromEntries(FIELDS.map((field) => [field, (value) => isWordLength(value) || isMx(value)])),
  momentum: isWordLength,
  rounding: oneOf('stochastic', 'nearest'),
  flavour: oneOf('qtorch', 'swalp', undefined),
  scale: oneOf('floor', 'rceil', 'even', undefined),
  operandRounding: oneOf('even', 'away', 'stochastic', undefined),
  roundedWeights: oneOf(true, undefined),
};

/**
 * Reads the entries that formatsValue wrote; undefined where there are none. Throws ERR_CHECKPOINT for formats that do
 * not exist.
 */
export function formatsFrom(value: Value | undefined, name: string): NumberFormats | undefined {
  if (!isDict(value)) return undefined;
  const known = Object.keys(SOUND).map((key): [string, Value | undefined] => [key, value.get(key)]);
  const needsScale = FIELDS.some((field) => isMx(value.get(field))) && value.get('scale') === undefined;
  if (needsScale || known.some(([key, entry]) => !SOUND[key]!(entry))) {
    const shown = [...value].map(([key, entry]) => `${key} ${String(entry)}`).join(', ');
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${name} has word lengths that make no sense (${shown}): it is damaged, name another file.`,
    );
  }
  const entries = known.filter(([, entry]) => entry !== undefined);
  return { flavour: 'qtorch', ...Object.fromEntries(entries) } as unknown as NumberFormats;
}
