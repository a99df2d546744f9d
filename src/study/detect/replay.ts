/**
 * Replays a detector on the masks and losses that a search has stored, with the same judgement as during the search.
 */
import type { ChosenDetector } from '../../recipe/detectors';
import { masksNeeded } from '../../recipe/detectors';
import { extended, type History } from '../../ticket/detectors/detector';
import { detectorNamed, heldBy, isCloser, judge } from '../../ticket/detectors/table';
import type { StoredMasks, StoredSearch } from './stored-search';

/** A signal and the completed epochs of its mask. */
interface Seen {
  completed: number;
  signal: number;
}

export interface Replay {
  /** Signal at which a ticket would have been drawn; null where there is none. */
  fired: Seen | null;
  /** Signal closest to firing; null where the detector never saw enough. */
  closest: Seen | null;
  /** All signals in order. */
  signals: Seen[];
  /** Reason, in one sentence, why it could not be asked or gave no answer. */
  why: string | null;
}

type Run = Pick<StoredSearch, 'folder' | 'channels' | 'layers' | 'metrics' | 'epochs'>;

const NOTHING = { fired: null, closest: null, signals: [] };

/** Asks a detector about the masks of a run in order, up to the last epoch at which a ticket may be drawn. */
export function replay(run: Run, { masks }: StoredMasks, detector: ChosenDetector): Replay {
  const { settled } = detectorNamed(detector.name);
  const why = missing(run, masks, detector);
  if (why) return { ...NOTHING, why };
  const losses = new Map(run.metrics.map(({ completed, train }) => [completed, train.loss]));
  let history: History = { layers: run.layers ?? [run.channels], masks: [], losses: [] };
  let fired: Seen | null = null;
  let closest: Seen | null = null;
  const signals: Seen[] = [];
  for (const [completed, mask] of observed(run, masks)) {
    history = extended(history, mask, losses.get(completed) ?? null, heldBy(detector));
    const verdict = judge(detector, history);
    if (verdict.signal === null) continue;
    const seen = { completed, signal: verdict.signal };
    signals.push(seen);
    if (verdict.fired) fired ??= seen;
    if (isCloser(seen.signal, closest?.signal, settled)) closest = seen;
  }
  return { fired, closest, signals, why: null };
}

const observed = ({ epochs }: Pick<Run, 'epochs'>, masks: StoredMasks['masks']) =>
  [...masks].filter(([completed]) => completed < epochs);

/** Names the data that the run has not stored; null where nothing is missing. */
function missing(run: Run, masks: StoredMasks['masks'], detector: ChosenDetector): string | null {
  const { byLayer } = detectorNamed(detector.name);
  const seen = observed(run, masks);
  const needed = masksNeeded(detector);
  if (seen.length < needed) {
    const first = seen[0]?.[0] ?? 0;
    const from = first > 0 ? `, the first of them after ${first} epochs` : '';
    return `It needs ${needed} masks, and ${run.folder} has ${seen.length}${from}.`;
  }
  if (byLayer && !run.layers)
    return `It needs the channels of each layer, which neither masks/index.json nor a checkpoint in ${run.folder} tells.`;
  if (heldBy(detector).losses === 0) return null;
  const known = new Set(run.metrics.map(({ completed }) => completed));
  const lost = seen.find(([completed]) => completed > 0 && completed % 1 === 0 && !known.has(completed))?.[0];
  return lost === undefined
    ? null
    : `It needs the training loss of every epoch, and ${run.folder}/metrics.jsonl has none of epoch ${lost}.`;
}
