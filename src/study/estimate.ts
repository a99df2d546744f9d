/** `study --dry-run`: the runs with their FLOPs and an estimate of their seconds. Nothing is run. */
import { NO_SCHEDULED_BITS, plannedGbitops } from '../cost/plan-arithmetic';
import { type PlanInputs, planInputs } from '../cost/plan-inputs';
import { networkName } from '../network/names';
import { trainingFlops } from '../network/training-flops';
import { scheduleOf } from '../recipe/chosen-precision-schedule';
import { formatsOf, formatsText } from '../recipe/precision';
import { isScheduled } from '../recipe/precision-schedules';
import type { StudyRecipe } from '../recipe/recipe';
import { type Entry, entriesOf, searchFolder, seedsOf, shardOf } from './plan';
import { factsOf, readFigures, readSearch, type SearchRecord } from './record';
import { checkParts } from './run';

/** Runs of one ratio: the searches (null), its tickets, or its controls. */
export interface PlannedRuns {
  ratio: number | null;
  what: 'searches' | 'tickets' | 'controls';
  runs: number;
  finished: number;
  /** Draws of tickets, or names of controls. */
  names: string[];
  /** Forward FLOPs of one image over those of the dense network; null where the network is unknown. */
  share: number | null;
  /** Training FLOPs of all runs; null where network or images are unknown. */
  flops: number | null;
  /** Training FLOPs of the runs that are not finished; null where network or images are unknown. */
  leftFlops: number | null;
  /** 1e9 bit operations of all runs; null where the network is unknown, and under a --precision-schedule. */
  gbitops: number | null;
  /** Seconds of the runs that are not finished; null where no speed is known. */
  leftSeconds: number | null;
}

/** A study before it is run. */
export interface StudyPlan {
  dryRun: true;
  network: string;
  dataset: string;
  epochs: number;
  /** Number formats of all runs; null in full precision. */
  formats: string | null;
  seeds: number[];
  images: number | null;
  forward: number | null;
  rows: PlannedRuns[];
  left: { runs: number; flops: number | null; seconds: number | null };
  all: { runs: number; flops: number | null; gbitops: number | null };
  notes: string[];
}

/** Plans a study from the searches on disk, else from assumptions, which its notes name. Runs nothing. */
export async function planStudy(recipe: StudyRecipe): Promise<StudyPlan> {
  const { save, seeds, ratios, epochs, arch, depth, cfg, dataset } = recipe;
  const formats = formatsOf(recipe);
  scheduleOf(recipe, formats); // throws for an impossible schedule
  checkParts(recipe);
  const searches = await Promise.all(seeds.map((seed) => readSearch(searchFolder(save, seed), seed)));
  const known = searches.filter((search) => search !== null);
  const inputs = await planInputs(recipe, {
    images: known[0]?.images ?? null,
    forward: known[0]?.forward ?? null,
    adds: known[0]?.adds ?? null,
    ratios,
  });
  const assumed = assumedEmergence(recipe);
  const of = (seed: number) => known.find((search) => search.seed === seed);
  const { entries } = entriesOf(recipe, (seed, ratio) => {
    const search = of(seed);
    return search ? factsOf(search, ratio) : { followed: true, emergence: assumed, best: epochs };
  });
  const mine = shardOf(recipe.shard, seeds, entries);
  const searched = seedsOf(recipe);
  const done = new Set<Entry>();
  for (const entry of mine) {
    const search = of(entry.seed);
    if (search && (await readFigures(entry, search))) done.add(entry);
  }
  const speed = speedOf(recipe, known, inputs.images);
  const cost = costing(recipe, inputs, speed.seconds);
  const rows = [
    cost({ ratio: null, what: 'searches', names: [] }, searched.length, searched.filter(of).length),
    ...ratios.flatMap((ratio) =>
      ([false, true] as const).flatMap((isControl) => {
        const own = mine.filter((entry) => entry.ratio === ratio && (entry.control !== null) === isControl);
        const names = [...new Set(own.flatMap(({ draws, control }) => control ?? draws))];
        const what = isControl ? 'controls' : 'tickets';
        const finished = own.filter((entry) => done.has(entry)).length;
        return own.length > 0 ? cost({ ratio, what, names }, own.length, finished) : [];
      }),
    ),
  ];
  return {
    dryRun: true,
    network: networkName(arch, depth!, cfg),
    ...{ dataset, epochs, seeds },
    formats: formats ? formatsText(formats) : null,
    images: inputs.images,
    forward: inputs.forward,
    rows,
    left: {
      runs: rows.reduce((sum, { runs, finished }) => sum + runs - finished, 0),
      flops: sumOf(rows, ({ leftFlops }) => leftFlops),
      seconds: sumOf(rows, ({ leftSeconds }) => leftSeconds),
    },
    all: {
      runs: rows.reduce((sum, { runs }) => sum + runs, 0),
      flops: sumOf(rows, ({ flops }) => flops),
      gbitops: sumOf(rows, ({ gbitops }) => gbitops),
    },
    notes: [
      ...inputs.notes,
      speed.note,
      ...(isScheduled(recipe) ? [NO_SCHEDULED_BITS] : []),
      ...(searched.some((seed) => !of(seed))
        ? [
            `Where no search is on disk, tickets emerge after epoch ${assumed} (${recipe.assumeEmergence ? 'as --assume-emergence says' : 'an eighth of --epochs; --assume-emergence says otherwise'}), and the best checkpoint is the last: draws that fall on one epoch are one run.`,
          ]
        : []),
      'A ticket is assumed to keep 1 - p of the channels of every layer, and its epoch to take the time of a dense one times its share of FLOPs: on small networks the true time lies above.',
      'FLOPs: training, three forward passes an image (docs/cost.md).',
    ],
  };
}

/**
 * Epoch at which tickets are assumed to emerge. As in bench energy it is about an eighth of all epochs, as for the
 * paper's tickets.
 */
export function assumedEmergence({ assumeEmergence, epochs, detectorWindow }: StudyRecipe): number {
  const usual = Math.max(detectorWindow - 1, Math.round(epochs / 8));
  return Math.max(1, Math.min(epochs - 1, assumeEmergence ?? usual));
}

/** Seconds of a dense epoch. */
function speedOf({ imagesPerSecond }: StudyRecipe, searches: readonly SearchRecord[], images: number | null) {
  if (searches.length > 0) {
    const seconds = searches.reduce((sum, search) => sum + search.seconds / search.epochs, 0) / searches.length;
    return { seconds, note: 'A dense epoch takes what those of the searches on disk took, with their tests.' };
  }
  if (imagesPerSecond === undefined || images === null)
    return { seconds: null, note: 'No time: no search is on disk, and --images-per-second is not given.' };
  return { seconds: images / imagesPerSecond, note: `${imagesPerSecond} images/s, as given; tests are left out.` };
}

function costing(recipe: StudyRecipe, inputs: PlanInputs, epochSeconds: number | null) {
  const { epochs } = recipe;
  const { images, forward, ticket, adds } = inputs;
  return (row: Pick<PlannedRuns, 'ratio' | 'what' | 'names'>, runs: number, finished: number): PlannedRuns => {
    const own = row.ratio === null ? forward : ticket(row.ratio);
    const share = own !== null && forward !== null ? own / forward : null;
    const one =
      own !== null && images !== null ? trainingFlops([{ forward: own, images: epochs * images }], 'exact') : null;
    const times = (count: number, value: number | null) => (value === null ? null : count * value);
    const gbitops = plannedGbitops({ adds: adds(row.ratio), images }, recipe);
    const seconds = epochSeconds !== null && share !== null ? epochs * epochSeconds * share : null;
    const left = runs - finished;
    return {
      ...row,
      ...{ runs, finished, share },
      flops: times(runs, one),
      leftFlops: times(left, one),
      gbitops: times(runs * epochs, gbitops),
      leftSeconds: times(left, seconds),
    };
  };
}

function sumOf(rows: readonly PlannedRuns[], of: (row: PlannedRuns) => number | null): number | null {
  const values = rows.map(of);
  return values.includes(null) ? null : values.reduce<number>((sum, value) => sum + value!, 0);
}
