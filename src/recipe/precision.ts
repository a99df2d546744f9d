/** Low precision: the number formats that a recipe asks for. */
import { EarlybirdError } from '../errors';
import type { MxFormat, MxRounding, MxScale } from '../native/types/mx';
import type { FormatsByKind, NumberFormat, NumberFormats, Rounding } from '../native/types/number-formats';
import { SCHEDULE_KEYS } from './precision-schedules';

/** The formats that options name: block floating point of 8 bits, and the formats of MX and NVFP4. */
export type Format = 'bfp8' | MxFormat;

/**
 * Bits of an element with its share of the scale of its block. A scale of many thousands of elements is not counted.
 */
export const FORMAT_BITS: Record<Format, number> = {
  bfp8: 8,
  mxint8: 8 + 8 / 32,
  'mxfp8-e4m3': 8 + 8 / 32,
  'mxfp8-e5m2': 8 + 8 / 32,
  'mxfp6-e2m3': 6 + 8 / 32,
  'mxfp6-e3m2': 6 + 8 / 32,
  mxfp4: 4 + 8 / 32,
  nvfp4: 4 + 8 / 16,
};

/** Formats as options name them; `full` excludes a kind of numbers from a format given for all. */
export const FORMAT_NAMES = Object.keys(FORMAT_BITS) as Format[];
export const FORMATS = [...FORMAT_NAMES, 'full'] as const;
type FormatName = (typeof FORMATS)[number];

/**
 * The options as in a recipe. Word lengths are in bits; -1 is full precision. Absent options are taken from a
 * checkpoint or the defaults.
 */
export interface PrecisionOptions {
  wlWeight?: number | undefined;
  wlActivate?: number | undefined;
  wlGrad?: number | undefined;
  wlError?: number | undefined;
  wlMomentum?: number | undefined;
  format?: FormatName | undefined;
  formatWeight?: FormatName | undefined;
  formatActivate?: FormatName | undefined;
  formatGrad?: FormatName | undefined;
  formatError?: FormatName | undefined;
  scale?: MxScale | undefined;
  rounding?: Rounding | MxRounding | undefined;
  masterWeights?: 'fp32' | 'format' | undefined;
  bfpFlavour?: NumberFormats['flavour'] | undefined;
  nonFinite?: NumberFormats['nonFinite'] | undefined;
}

/** Kinds of numbers, with the options of each. Momentum is not an operand of a product. */
const KINDS = {
  weight: { length: 'wlWeight', format: 'formatWeight' },
  activate: { length: 'wlActivate', format: 'formatActivate' },
  grad: { length: 'wlGrad', format: 'formatGrad' },
  error: { length: 'wlError', format: 'formatError' },
  momentum: { length: 'wlMomentum', format: undefined },
} as const satisfies Record<keyof FormatsByKind, object>;
type Kind = keyof typeof KINDS;

/** The kinds of numbers, as checkpoints name them. */
export const FIELDS = Object.keys(KINDS) as Kind[];
const WORD_LENGTHS = FIELDS.map((kind) => KINDS[kind].length);
const FORMAT_KEYS = FIELDS.flatMap((kind) => KINDS[kind].format ?? []);

/** Options that are all settled: a kind in an MX format has the word length -1, and any other has no format. */
export type Complete = PrecisionOptions & Record<(typeof WORD_LENGTHS)[number], number>;

const everywhere = (bits: number) => ({
  ...(Object.fromEntries(WORD_LENGTHS.map((key) => [key, bits])) as Record<(typeof WORD_LENGTHS)[number], number>),
  ...(Object.fromEntries(['format', ...FORMAT_KEYS].map((key) => [key, undefined])) as Record<string, undefined>),
});

/** The word lengths of a low-precision variant where no format is given. */
export const EIGHT_BITS = everywhere(8);

/** Word lengths that state full precision explicitly, so that a retraining does not take the formats of its ticket. */
export const FULL_PRECISION = everywhere(-1);

/** Name of the format that the options give for a kind. */
function nameOf(options: PrecisionOptions, kind: Kind): FormatName | undefined {
  const { format } = KINDS[kind];
  if (format === undefined) return options.format === 'bfp8' ? 'bfp8' : undefined;
  return options[format] ?? options.format;
}

/** Format that the options give for a kind; undefined where they give none. */
function formatIn(options: PrecisionOptions, kind: Kind): NumberFormat | undefined {
  const name = nameOf(options, kind);
  if (name === undefined) return options[KINDS[kind].length];
  return name === 'bfp8' ? 8 : name === 'full' ? -1 : name;
}

/** True where the options give the format of any kind. */
export const saysFormats = (options: PrecisionOptions) => FIELDS.some((kind) => formatIn(options, kind) !== undefined);

/** The first kind for which both a word length and a format are given; undefined where there is none. */
export const mixedKind = (options: PrecisionOptions) =>
  FIELDS.find((kind) => nameOf(options, kind) !== undefined && (options[KINDS[kind].length] ?? -1) !== -1);

const isMx = (format: NumberFormat | undefined) => typeof format === 'string';

/** Options that give a kind this format; undefined where they leave it open. */
function optionsFor(kind: Kind, given: NumberFormat | undefined): [string, unknown][] {
  const { length, format } = KINDS[kind];
  const bits: [string, unknown] = [length, isMx(given) ? -1 : given];
  return format === undefined ? [bits] : [bits, [format, isMx(given) ? given : undefined]];
}

/** Kinds of formats that each rounding applies to. */
const ROUNDED_BY: Record<Rounding | MxRounding, { mx: boolean; blocks: boolean }> = {
  stochastic: { mx: true, blocks: true },
  nearest: { mx: false, blocks: true },
  even: { mx: true, blocks: false },
  away: { mx: true, blocks: false },
};

/** The option that gives the rounding of formats. */
const roundingIn = ({ rounding, operandRounding, ...formats }: NumberFormats) =>
  operandRounding ?? (rounding === 'nearest' || !FIELDS.some((kind) => isMx(formats[kind])) ? rounding : undefined);

/**
 * Settles every option: as given, else from the checkpoint, else the default. Throws ERR_RECIPE for an option that
 * none of the formats has.
 */
export function precisionOptions(given: PrecisionOptions, fromCheckpoint?: NumberFormats): Complete {
  const formats = FIELDS.map((kind) => ({ kind, format: formatIn(given, kind) ?? fromCheckpoint?.[kind] ?? -1 }));
  const some = {
    mx: formats.some(({ format }) => isMx(format)),
    blocks: formats.some(({ format }) => !isMx(format) && format !== -1),
  };
  const fits = (rounding: keyof typeof ROUNDED_BY) =>
    (some.mx && ROUNDED_BY[rounding].mx) || (some.blocks && ROUNDED_BY[rounding].blocks);
  if (given.rounding !== undefined && (some.mx || some.blocks) && !fits(given.rounding)) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `--rounding ${given.rounding} is not possible with these formats: give stochastic or ${some.mx ? 'even, or away' : 'nearest'}.`,
    );
  }
  const weightsAreMx = isMx(formats[0]!.format);
  if (some.mx || some.blocks) {
    if (given.scale !== undefined && !some.mx) throw idle(`--scale ${given.scale}`, 'an MX format');
    if (given.masterWeights !== undefined && !weightsAreMx)
      throw idle(`--master-weights ${given.masterWeights}`, 'an MX format of weights');
  }
  const said = fromCheckpoint && roundingIn(fromCheckpoint);
  const standard = some.mx ? undefined : 'stochastic';
  const ofMx = <T>(value: T) => (some.mx ? value : undefined);
  const entries = formats.flatMap(({ kind, format }) => optionsFor(kind, format));
  return {
    ...(Object.fromEntries(entries) as Record<(typeof WORD_LENGTHS)[number], number>),
    format: undefined,
    scale: ofMx(given.scale ?? fromCheckpoint?.scale ?? 'floor'),
    rounding: given.rounding ?? (said && fits(said) ? said : standard),
    masterWeights: weightsAreMx
      ? (given.masterWeights ?? (fromCheckpoint?.roundedWeights ? 'format' : 'fp32'))
      : undefined,
    bfpFlavour: given.bfpFlavour ?? fromCheckpoint?.flavour ?? 'qtorch',
    nonFinite: given.nonFinite ?? 'error',
  };
}

const idle = (option: string, needed: string) =>
  new EarlybirdError('ERR_RECIPE', `${option} does nothing with these formats: leave it out, or give ${needed}.`);

/**
 * The options as far as a test of a network uses them. It rounds what convolutions give out, and weights as operands in
 * MX formats. Weights that a word length rounded have their values in the file, and nothing else is computed; so of the
 * other options only those count that say full precision.
 */
export function testedOptions(given: PrecisionOptions): PrecisionOptions {
  const isUsed = (kind: Kind, format: NumberFormat | undefined) =>
    format === -1 || kind === 'activate' || (kind === 'weight' && isMx(format));
  const entries = FIELDS.flatMap((kind) => {
    const format = formatIn(given, kind);
    return optionsFor(kind, isUsed(kind, format) ? format : undefined);
  });
  return { ...given, ...Object.fromEntries(entries), format: undefined, masterWeights: undefined };
}

/**
 * A preset without what the given formats replace: the word lengths of the kinds that these are for, and the rounding,
 * as other formats have others.
 */
export function withoutReplaced(preset: Record<string, unknown>, given: PrecisionOptions): Record<string, unknown> {
  const isGiven = (kind: Kind) => given.format !== undefined || given[KINDS[kind].format ?? 'format'] !== undefined;
  const replaced: string[] = FIELDS.filter(isGiven).map((kind) => KINDS[kind].length);
  if (replaced.length === 0) return preset;
  return Object.fromEntries(Object.entries(preset).filter(([key]) => key !== 'rounding' && !replaced.includes(key)));
}

/** The number formats of a recipe; undefined in full precision. */
export function formatsOf(options: PrecisionOptions): NumberFormats | undefined {
  const { rounding, bfpFlavour, nonFinite, scale, masterWeights, ...all } = precisionOptions(options);
  const formats = FIELDS.map((kind): [Kind, NumberFormat] => [kind, formatIn(all, kind)!]);
  if (formats.every(([, format]) => format === -1)) return undefined;
  const ofMx = rounding !== undefined && rounding !== 'nearest' ? { operandRounding: rounding } : {};
  return {
    ...(Object.fromEntries(formats) as unknown as FormatsByKind),
    rounding: rounding === 'nearest' ? 'nearest' : 'stochastic',
    flavour: bfpFlavour,
    nonFinite,
    ...(scale ? { scale, ...ofMx } : {}),
    ...(masterWeights === 'format' ? { roundedWeights: true } : {}),
  };
}

/** Options without effect in full precision, where they must not make two equal runs differ. */
export const PRECISION_KEYS: readonly string[] = [
  ...WORD_LENGTHS,
  ...['format', ...FORMAT_KEYS, 'scale', 'masterWeights'],
  ...['rounding', 'bfpFlavour', 'nonFinite', 'testRounding', 'variant'],
  ...SCHEDULE_KEYS,
];

/**
 * Formats as text: "weight 8, activate 8, grad 8, error 8, momentum -1, stochastic (qtorch)", or with MX "weight
 * mxint8, ..., scale floor, gradients stochastic".
 */
export function formatsText(formats: NumberFormats): string {
  const { rounding, flavour = 'qtorch', scale, operandRounding, roundedWeights } = formats;
  const blocks = FIELDS.some((kind) => !isMx(formats[kind]) && formats[kind] !== -1);
  return [
    ...FIELDS.map((kind) => `${kind} ${formats[kind]}`),
    ...(blocks ? [`${rounding} (${flavour})`] : []),
    ...(scale ? [`scale ${scale}`, operandRounding ?? 'nearest even, gradients stochastic'] : []),
    ...(roundedWeights ? ['no full-precision weights'] : []),
  ].join(', ');
}

/** Formats in the title of a figure: "8 bits" or "mxint8", or "low precision" where they differ. */
export function lengthsText(formats: NumberFormats): string {
  const { weight } = formats;
  const kinds = FIELDS.filter((kind) => !(isMx(weight) && kind === 'momentum' && formats.momentum === -1));
  if (kinds.some((kind) => formats[kind] !== weight)) return 'low precision';
  return isMx(weight) ? weight : `${weight} bits`;
}
