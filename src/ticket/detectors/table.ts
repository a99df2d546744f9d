/** Detectors by name. */
import type { ChosenDetector, DetectorName } from '../../recipe/detectors';
import type { Detector, History, Verdict } from './detector';
import { hamming } from './hamming';
import { jaccard } from './jaccard';
import { lossFifo } from './loss-fifo';
import { structure } from './structure';
import { trend } from './trend';

const TABLE: Record<DetectorName, Detector> = { hamming, jaccard, structure, trend, 'loss-fifo': lossFifo };

export const detectorNamed = (name: DetectorName): Detector => TABLE[name];

export const heldBy = ({ name, settings }: ChosenDetector) => TABLE[name].held(settings);

export const judge = ({ name, settings }: ChosenDetector, history: History): Verdict =>
  TABLE[name].judge(history, settings);

/** True for the first signal of a detector, and for one that is nearer to settled than `other`. */
export const isCloser = (signal: number, other: number | undefined, settled: Detector['settled']) =>
  other === undefined || (settled === 'below' ? signal < other : signal > other);
