/**
 * Detectors as data: names, options with their defaults, and the number of observations each needs before it can fire.
 */
import { EarlybirdError } from '../errors';

/** Rules by which the detector `hamming` compares distances of masks (ticket/detectors/hamming.ts). */
export const RULES = ['reference', 'consecutive'] as const;

/** Options of a detector; each detector has those named in its defaults. */
export interface DetectorSettings {
  /** Number of values that must agree. */
  window: number;
  /** Limit of the signal. */
  threshold: number;
  rule?: (typeof RULES)[number];
  /** Number of neighbouring distances that are averaged to one value. */
  smooth?: number;
  /** Factor of the threshold after each time that the loss settles. */
  decay?: number;
  /** Number of times that the loss must settle. */
  turns?: number;
}

interface DetectorData {
  standard: DetectorSettings;
  /** Number of masks that it must see before it can fire, including the one drawn before training. */
  masksNeeded(settings: DetectorSettings): number;
}

/** Detectors with the defaults of the sources that the files of ticket/detectors/ cite. */
export const DETECTORS = {
  hamming: {
    standard: { window: 5, threshold: 0.1, rule: 'reference' },
    masksNeeded: ({ window, rule }) => window + (rule === 'consecutive' ? 1 : 0),
  },
  jaccard: { standard: { window: 3, threshold: 0.999 }, masksNeeded: ({ window }) => window + 2 },
  structure: { standard: { window: 1, threshold: 0.983 }, masksNeeded: ({ window }) => window + 1 },
  trend: {
    standard: { window: 10, threshold: 0.05, smooth: 3 },
    masksNeeded: ({ window, smooth = 1 }) => window + smooth,
  },
  'loss-fifo': {
    standard: { window: 5, threshold: 0.15, decay: 0.4, turns: 1 },
    masksNeeded: ({ window, turns = 1 }) => window * turns + 1,
  },
} satisfies Record<string, DetectorData>;

/** The name of a detector. */
export type DetectorName = keyof typeof DETECTORS;
export const DETECTOR_NAMES = Object.keys(DETECTORS) as [DetectorName, ...DetectorName[]];

/** A detector with all of its options. */
export interface ChosenDetector {
  name: DetectorName;
  settings: DetectorSettings;
}

/** Entries of a recipe by the options that they stand for. */
const ENTRIES = {
  window: 'detectorWindow',
  threshold: 'detectorThreshold',
  rule: 'detectorRule',
  smooth: 'detectorSmooth',
  decay: 'detectorDecay',
  turns: 'detectorTurns',
} as const;
type Option = keyof typeof ENTRIES;
type Entries = { detector?: DetectorName | undefined } & {
  [K in Option as (typeof ENTRIES)[K]]?: DetectorSettings[K] | undefined;
};

const standardOf = (name: DetectorName): DetectorSettings => DETECTORS[name].standard;
const optionsOf = (name: DetectorName) => Object.keys(standardOf(name)) as Option[];

/** Fills in the options that a recipe leaves open with the defaults of its detector. */
export function withDetectorDefaults(input: Record<string, unknown>): Record<string, unknown> {
  const name = (input.detector ?? 'hamming') as DetectorName;
  if (!Object.hasOwn(DETECTORS, name) || name === 'hamming') return input;
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  const standard = optionsOf(name).map((option) => [ENTRIES[option], standardOf(name)[option]]);
  return { ...Object.fromEntries(standard), ...Object.fromEntries(given) };
}

/** The detector of a recipe. */
export function detectorOf(recipe: Entries): ChosenDetector {
  const { detector: name = 'hamming' } = recipe;
  const settings = optionsOf(name).map((option) => [option, recipe[ENTRIES[option]] ?? standardOf(name)[option]]);
  return { name, settings: Object.fromEntries(settings) as unknown as DetectorSettings };
}

export const masksNeeded = ({ name, settings }: ChosenDetector): number => DETECTORS[name].masksNeeded(settings);

/** Entries of a recipe that its detector does not use. */
export function idleDetectorEntries(recipe: Entries): string[] {
  const { detector: name = 'hamming' } = recipe;
  return (Object.keys(ENTRIES) as Option[])
    .filter((option) => !optionsOf(name).includes(option))
    .map((option) => ENTRIES[option]);
}

/**
 * Reads "hamming", or a detector with options: "hamming:threshold=0.05:rule=consecutive".
 *
 * @throws ERR_RECIPE
 */
export function parseDetector(text: string): ChosenDetector {
  const [name, ...given] = text.split(':') as [DetectorName, ...string[]];
  if (!Object.hasOwn(DETECTORS, name)) throw wrong(text, `give one of ${DETECTOR_NAMES.join(', ')}`);
  const known = optionsOf(name);
  const settings = given.map((assignment): [Option, number | string] => {
    const [option, value = ''] = assignment.split('=') as [Option, string?];
    if (!known.includes(option))
      throw wrong(text, `${name} has the options ${known.join(', ')}, as in ${name}:window=${standardOf(name).window}`);
    return [option, settingOf(text, option, value)];
  });
  return { name, settings: { ...standardOf(name), ...Object.fromEntries(settings) } };
}

function settingOf(text: string, option: Option, value: string): number | string {
  if (option === 'rule') {
    if ((RULES as readonly string[]).includes(value)) return value;
    throw wrong(text, `give rule=${RULES.join(' or rule=')}`);
  }
  const number = value.trim() === '' ? Number.NaN : Number(value);
  const whole = option !== 'threshold' && option !== 'decay';
  if (whole ? Number.isInteger(number) && number >= 1 : number >= 0) return number;
  throw wrong(text, `give ${option} a ${whole ? 'whole number, 1 or more' : 'number, 0 or more'}`);
}

const wrong = (text: string, advice: string) =>
  new EarlybirdError('ERR_RECIPE', `The detector ${text} is not possible: ${advice}.`);

/** Text of a detector as `parseDetector` reads it, with only the options that differ from the defaults. */
export function detectorText({ name, settings }: ChosenDetector): string {
  const standard = standardOf(name);
  const changed = optionsOf(name).filter((option) => settings[option] !== standard[option]);
  return [name, ...changed.map((option) => `${option}=${settings[option]}`)].join(':');
}
