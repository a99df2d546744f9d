/**
 * Finds the threshold that suits a network, from distances by chance, between seeds, and on the plateau of its
 * searches.
 */
import { type Spread, spread } from '../../measure';
import { DETECTORS } from '../../recipe/detectors';
import { percentOf } from '../../recipe/ratio';
import { channelsOf, keptByLayer } from '../../ticket/detectors/detector';
import { mannKendall } from '../../ticket/detectors/trend-tests';
import { maskDistance } from '../../ticket/mask';
import { type Chance, distanceByChance } from './chance';
import { replay } from './replay';
import type { StoredMasks, StoredSearch } from './stored-search';

/** Deciding distances of a run (largest of four, newest mask to older ones) once they have levelled off. */
export interface Plateau extends Spread {
  folder: string;
  /** Completed epochs of its first mask. */
  first: number;
  /** Completed epochs of its last mask. */
  last: number;
  /** True where a Mann-Kendall test at the level of 0.05 still finds the distances falling. */
  falling: boolean;
}

/** Facts on thresholds for one network at one ratio. */
export interface Calibration {
  network: string;
  folders: string[];
  ratio: number;
  channels: number;
  /** Number of channels that the last mask of the first run keeps. */
  kept: number;
  /** Distance between masks with the same number of channels, drawn at random from all. */
  chance: Chance;
  /**
   * Distance by chance within each layer, with the numbers of channels that the last mask of the first run keeps there;
   * null where layers are unknown.
   */
  chanceInLayers: Chance | null;
  /** Distance between the last masks of the runs; null for a single run. */
  betweenRuns: Spread | null;
  plateaus: Plateau[];
  /** Threshold suggested for hamming; null where none can be suggested. */
  threshold: number | null;
  /** Reason for the suggestion, in one or two sentences. */
  reason: string;
}

/** Least number of values of a plateau; fewer tell nothing. */
const LEAST = 5;
const LEVEL = 0.05;
const STANDARD = DETECTORS.hamming.standard;

/** Calibrates each group of runs with the same layers. */
export function calibrate(runs: readonly StoredSearch[]): Calibration[] {
  const groups = new Map<string, StoredSearch[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.network, run.channels, run.layers]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].flatMap((group) => {
    const ratios = new Map(group.flatMap(({ series }) => series.map(({ ratio }) => [percentOf(ratio), ratio])));
    return [...ratios.values()].flatMap((ratio) =>
      calibration(
        group.filter((run) => seriesAt(run, ratio)),
        ratio,
      ),
    );
  });
}

/** The masks at whole epochs, as a threshold is for windows of epochs. */
function seriesAt({ series }: StoredSearch, ratio: number): StoredMasks | undefined {
  const found = series.find((one) => percentOf(one.ratio) === percentOf(ratio));
  return found && { ratio, masks: new Map([...found.masks].filter(([completed]) => completed % 1 === 0)) };
}

const lastOf = ({ masks }: StoredMasks) => [...masks.values()].at(-1);

function calibration(runs: readonly StoredSearch[], ratio: number): Calibration[] {
  const [{ network, channels, layers }] = runs as [StoredSearch];
  const masks = runs.flatMap((run) => lastOf(seriesAt(run, ratio)!) ?? []);
  if (masks.length < runs.length) return [];
  const perLayer = keptByLayer(masks[0]!, layers ?? [channels]);
  const kept = channelsOf(perLayer);
  const between = masks.flatMap((a, i) => masks.slice(i + 1).map((b) => maskDistance(a, b, channels)));
  const facts = {
    chance: distanceByChance([channels], [kept]),
    chanceInLayers: layers && distanceByChance(layers, perLayer),
    betweenRuns: spread(between),
    plateaus: runs.flatMap((run) => plateauOf(run, ratio) ?? []),
  };
  const folders = runs.map(({ folder }) => folder);
  return [{ network, folders, ratio, channels, kept, ...facts, ...suggestion(facts, runs.length) }];
}

/**
 * Deciding distances in the second half of the epochs at the initial learning rate, in which a ticket should be found.
 */
function plateauOf(run: StoredSearch, ratio: number): Plateau | null {
  const rates = new Map(run.metrics.map(({ completed, lr }) => [completed, lr]));
  const initial = run.metrics[0]?.lr;
  const { signals } = replay(run, seriesAt(run, ratio)!, { name: 'hamming', settings: STANDARD });
  const early = signals.filter(({ completed }) => rates.get(completed) === initial);
  const levelled = early.slice(Math.floor(early.length / 2));
  if (levelled.length < LEAST) return null;
  const values = levelled.map(({ signal }) => signal);
  const { statistic, p } = mannKendall(values);
  return {
    ...spread(values)!,
    ...{ folder: run.folder, first: levelled[0]!.completed, last: levelled.at(-1)!.completed },
    falling: statistic < 0 && p < LEVEL,
  };
}

type Facts = Pick<Calibration, 'chance' | 'chanceInLayers' | 'plateaus'>;

/** Suggests the smallest hundredth above all plateaus, where masks drawn by chance are clearly further apart. */
function suggestion(
  { chance, chanceInLayers, plateaus }: Facts,
  runs: number,
): Pick<Calibration, 'threshold' | 'reason'> {
  if (plateaus.length === 0)
    return {
      threshold: null,
      reason: `No run has the masks of ${2 * LEAST + STANDARD.window - 2} or more epochs at its initial learning rate: search for longer.`,
    };
  const [low, high] = [Math.min(...plateaus.map((one) => one.low)), Math.max(...plateaus.map((one) => one.high))];
  const random = chanceInLayers ?? chance;
  const threshold = (Math.floor(high * 100) + 1) / 100;
  const of = runs > 1 ? ` of ${plateaus.length} runs` : '';
  const settles = `The largest of ${STANDARD.window - 1} distances${of} lies between ${low.toFixed(3)} and ${high.toFixed(3)} once it has levelled off at the initial learning rate`;
  if (threshold > random.mean - 2 * random.sd)
    return {
      threshold: null,
      reason: `${settles}, as far apart as masks that keep these numbers of channels at random (${random.mean.toFixed(3)}): no threshold tells them apart.`,
    };
  const share = Math.round((100 * threshold) / random.mean);
  const still = plateaus.some(({ falling }) => falling) ? ' It was still falling: a longer search may allow less.' : '';
  return {
    threshold,
    reason: `${settles}; ${threshold} is the next hundredth, ${share} % of the distance by chance (${random.mean.toFixed(3)}). ${standardText(low, high)}${still}`,
  };
}

function standardText(low: number, high: number): string {
  const { threshold } = STANDARD;
  if (threshold < low) return `At ${threshold} no ticket would emerge there.`;
  if (threshold < high)
    return `${threshold} lies inside that range, so that chance decides after how many epochs it fires.`;
  return `${threshold} lies above that range.`;
}
