/** Options that a run takes up without training anything again, although they decide what it computes. */
import { isDeepStrictEqual } from 'node:util';
import { percentOf } from '../recipe/ratio';

type Identity = Record<string, unknown>;

/** Detection decides nothing that is trained, unless bits follow the masks. */
const detected = (there: Identity) => there.precisionSchedule !== 'mask';

/** Ratios whose masks a search stores: all that it follows. */
const followed = ({ percent = [], ratios = [] }: Identity) =>
  new Set([percent, ratios].flat().map((ratio) => percentOf(ratio as number)));
const follows = (there: Identity, now: Identity) =>
  detected(there) && [...followed(now)].every((ratio) => followed(there).has(ratio));

/** Key of the option, and when a run of `there` can go on as `now`: detection is done anew on the stored masks, epochs are added. */
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

/** True where a run of the identity `there` can go on as one of `now`. */
export function isContinuable(there: Identity, now: Identity): boolean {
  return differing(there, now).every((key) => CHANGES[key]?.(there, now) ?? false);
}
