/** Options that decide a result but may change without training anything again. */
import { isDeepStrictEqual } from 'node:util';
import { percentOf } from '../recipe/ratio';

type Identity = Record<string, unknown>;

/** True where detection can change: it does not affect the training, unless the bits follow the masks. */
const detected = (there: Identity) => there.precisionSchedule !== 'mask';

/** Ratios that a search follows and stores masks of. */
const followed = ({ percent = [], ratios = [] }: Identity) =>
  new Set([percent, ratios].flat().map((ratio) => percentOf(ratio as number)));
const follows = (there: Identity, now: Identity) =>
  detected(there) && [...followed(now)].every((ratio) => followed(there).has(ratio));

/**
 * Tells by option whether a run of `there` can continue as `now`: detection is repeated on the stored masks, epochs are
 * added.
 */
const CHANGES: Record<string, (there: Identity, now: Identity) => boolean> = {
  epochs: (there, now) => Number(now.epochs) > Number(there.epochs) && there.precisionSchedule !== 'cpt',
  detectorWindow: detected,
  detectorThreshold: detected,
  detectorRule: detected,
  detector: detected,
  detectorSmooth: detected,
  detectorDecay: detected,
  detectorTurns: detected,
  percent: follows,
  ratios: follows,
};

/** Keys of the options that differ. */
export function differing(there: Identity, now: Identity): string[] {
  const plain = JSON.parse(JSON.stringify(now)) as Identity;
  const keys = [...new Set([...Object.keys(there), ...Object.keys(plain)])];
  return keys.filter((key) => !isDeepStrictEqual(there[key], plain[key]));
}

/** True where a run of the identity `there` can continue as one of `now`. */
export function isContinuable(there: Identity, now: Identity): boolean {
  return differing(there, now).every((key) => Object.hasOwn(CHANGES, key) && CHANGES[key]!(there, now));
}
