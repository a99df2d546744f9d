/**
 * `detect`: for each detector, the epoch at which it would have drawn a ticket from a search, the cost of the search up
 * to there, and the quality of the mask.
 */
import { epochsTotal } from '../../energy/totals';
import { trainingFlops } from '../../network/training-flops';
import { type ChosenDetector, detectorText, parseDetector } from '../../recipe/detectors';
import { type DetectRecipe, requireParsed } from '../../recipe/recipe';
import { epochsText } from '../../run/names';
import type { RunOptions } from '../../run/observer';
import { secondsOf } from '../../run/result';
import { detectorNamed } from '../../ticket/detectors/table';
import { maskDistance } from '../../ticket/mask';
import { type Calibration, calibrate } from './calibrate';
import { replay } from './replay';
import { readSearch, type StoredMasks, type StoredSearch } from './stored-search';
import { studySearches, type TicketLookup } from './study-tickets';

/** Result of one detector at one ratio. */
export interface DetectRow {
  /** Name of the detector, with the options that differ from the defaults: "hamming:threshold=0.05". */
  detector: string;
  ratio: number;
  /** Completed epochs of the mask at which it fires, a fraction inside an epoch; null where it does not fire. */
  firesAfter: number | null;
  /** Name of its signal. */
  signalIs: string;
  /** Signal where it fires, else the signal that came closest. */
  signal: number | null;
  signalAfter: number | null;
  /**
   * Training FLOPs (exact rule), seconds and joules of the search up to there; null where it does not fire or they are
   * unknown. Inside an epoch seconds are in proportion to its steps, and joules are unknown.
   */
  flops: number | null;
  seconds: number | null;
  joules: number | null;
  /** Distance of that mask to the last one of the run. */
  toLast: number | null;
  /** Distance of that mask to that of the best epoch, chosen on the test set. */
  toBest: number | null;
  /** Top-1 in percent of the ticket drawn there and retrained, where a study has it. */
  top1: number | null;
  /** Reason why it could not be asked, in one sentence. */
  why: string | null;
}

/** Results of the detectors on one run. */
export interface DetectedRun {
  folder: string;
  network: string;
  seed: number | null;
  /** Completed epochs of its last mask. */
  last: number;
  /** Completed epochs of its best epoch, chosen on the test set; null without metrics. */
  best: number | null;
  rows: DetectRow[];
}

/** Result of `detect`. */
export interface DetectResult {
  runs: DetectedRun[];
  calibration: Calibration[] | null;
}

/**
 * Replays detectors on the masks and metrics that searches have stored, without training or writing anything.
 *
 * @param recipe from `parseRecipe('detect', ...)`; the folder of a study counts as its searches
 * @throws ERR_FILE where masks are missing
 *
 * @example
 * const { runs } = await detect(parseRecipe('detect', { runs: ['logs'], detectors: ['hamming', 'trend:window=8'] }));
 * for (const { detector, ratio, firesAfter } of runs[0]!.rows) console.log(detector, ratio, firesAfter);
 */
export async function detect(recipe: DetectRecipe, { observer }: RunOptions = {}): Promise<DetectResult> {
  requireParsed('detect', recipe);
  const detectors = recipe.detectors.flatMap((text) => text.split(',')).map(parseDetector);
  const searches: StoredSearch[] = [];
  const { folders, lookup } = await studySearches(recipe.runs);
  for (const folder of folders) {
    const search = await readSearch(folder, recipe.ratios, recipe.steps);
    const masks = search.series[0]?.masks.size ?? 0;
    observer?.log?.(
      `${search.folder}: ${masks} masks of ${search.channels} channels, ${epochsText(search.metrics.length)}`,
    );
    searches.push(search);
  }
  return {
    runs: searches.map((search) => detectedRun(search, detectors, lookup)),
    calibration: recipe.calibrate ? calibrate(searches) : null,
  };
}

function detectedRun(search: StoredSearch, detectors: readonly ChosenDetector[], lookup: TicketLookup): DetectedRun {
  const { folder, network, seed, series } = search;
  const rows = series.flatMap((masks) => detectors.map((detector) => rowOf(search, masks, detector, lookup)));
  return { folder, network, seed, last: lastOf(series[0]!), best: bestOf(search), rows };
}

const lastOf = ({ masks }: StoredMasks) => Math.max(0, ...masks.keys());

/** Completed epochs at the first epoch with the best test top-1. */
function bestOf({ metrics }: StoredSearch): number | null {
  const best = Math.max(...metrics.map(({ test }) => test.top1));
  return metrics.find(({ test }) => test.top1 === best)?.completed ?? null;
}

function rowOf(search: StoredSearch, series: StoredMasks, detector: ChosenDetector, lookup: TicketLookup): DetectRow {
  const { fired, closest, why } = replay(search, series, detector);
  const seen = fired ?? closest;
  const row = {
    detector: detectorText(detector),
    ratio: series.ratio,
    firesAfter: fired?.completed ?? null,
    signalIs: detectorNamed(detector.name).signal,
    signal: seen?.signal ?? null,
    signalAfter: seen?.completed ?? null,
    why,
  };
  if (!fired) return { ...row, flops: null, seconds: null, joules: null, toLast: null, toBest: null, top1: null };
  const { completed } = fired;
  const distanceTo = (other: number | null) => {
    const [a, b] = [series.masks.get(completed), other === null ? undefined : series.masks.get(other)];
    return a && b ? maskDistance(a, b, search.channels) : null;
  };
  return {
    ...row,
    ...costUpTo(search, completed),
    toLast: distanceTo(lastOf(series)),
    toBest: distanceTo(bestOf(search)),
    top1: lookup(search.folder, series.ratio, completed),
  };
}

function costUpTo({ metrics, forward, images }: StoredSearch, completed: number) {
  const lines = metrics.filter((line) => line.completed <= completed);
  const known = forward !== null && images !== null;
  const part = completed % 1;
  const next = metrics.find((line) => line.completed > completed);
  return {
    flops: known ? trainingFlops([{ forward, images: images * completed }], 'exact') : null,
    seconds: secondsOf(lines) + part * (next?.seconds.train ?? 0),
    joules: part > 0 ? null : completed === 0 ? 0 : (epochsTotal(lines)?.joules ?? null),
  };
}
