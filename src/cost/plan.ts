/**
 * `bench energy --dry-run`: every row with its epochs, its FLOPs and what it will take. What cannot be known before it is run is taken from
 * rows on disk, else bounded from above, and said to be. Nothing is run.
 */

import { networkName } from '../network/names';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { type Kind, seenIn } from './observed';
import { networkFor } from './plan-inputs';
import { checkIdentities, type RowResult, readRow } from './row-results';
import { type EnergyRow, METHODS, rowsOf } from './rows';
import { refuseMixedMachines } from './same-machine';
import { flopsOf, NO_PAPER_FLOPS } from './training-flops';

/** Seconds or joules: measured, or estimated, or null with the reason. */
export interface Estimate {
  value: number | null;
  estimated: boolean;
  reason?: string;
}

export interface PlannedRow extends EnergyRow {
  state: RowResult['state'];
  /** Of the dense network and of the ticket. */
  epochs: { dense: number; ticket: number };
  /** null where the network or the number of images is not known: the plan's notes say why. */
  flops: RowResult['flops'];
  seconds: Estimate;
  joules: Estimate;
  /** What the figures take for granted; empty where they are measured, or follow from the recipe. */
  assumptions: string[];
}

export interface EnergyPlan {
  dryRun: true;
  network: string;
  dataset: string;
  epochs: number;
  /** Training images of an epoch. */
  images: number | null;
  /** Forward FLOPs of one image in the dense network. */
  forward: number | null;
  rows: PlannedRow[];
  /** What is yet to run. The dense training of a seed is run once, however many rows begin with it. */
  left: { rows: number; seconds: Estimate; joules: Estimate };
  notes: string[];
}

/** One training of a planned row, with what it takes. */
interface Planned extends Kind {
  epochs: number;
  /** Already on disk. */
  done: number;
  seconds: Estimate;
  joules: Estimate;
  forward: number | null;
}

export async function planEnergy(recipe: BenchEnergyRecipe): Promise<EnergyPlan> {
  const wanted = rowsOf(recipe);
  await checkIdentities(recipe, wanted);
  const results = await Promise.all(wanted.map((row) => readRow(recipe.save, row)));
  refuseMixedMachines(results.flatMap(({ stages }) => stages));
  const seen = seenIn(results);
  const known = await networkFor(recipe, results[0]?.stages[0]?.dataset.train ?? null, seen.forward(null));
  const planned = results.map((result) => planRow(recipe, result, seen, known));
  const { arch, depth, dataset, epochs } = recipe;
  return {
    dryRun: true,
    network: networkName(arch, depth!),
    dataset,
    epochs,
    images: known.images,
    forward: known.forward,
    rows: planned.map(({ row }) => row),
    left: leftOf(planned),
    notes: [
      ...known.notes,
      ...(planned.some(({ row }) => row.flops?.paper === null) ? [NO_PAPER_FLOPS] : []),
      'Estimates: an epoch takes what epochs of that kind took on disk, else what --images-per-second and --watts say.',
    ],
  };
}

type Known = Awaited<ReturnType<typeof networkFor>>;
type SeenRows = ReturnType<typeof seenIn>;

function planRow(recipe: BenchEnergyRecipe, result: RowResult, seen: SeenRows, known: Known) {
  const { stages, energy, seconds, flops, failure, top1Last, top1Best, drawn, ...rest } = result;
  if (result.state === 'finished') {
    const [first, second] = stages;
    const row: PlannedRow = {
      ...rest,
      epochs: { dense: first!.epochs, ticket: second?.epochs ?? 0 },
      flops,
      seconds: { value: seconds, estimated: false },
      joules: {
        value: energy.joules,
        estimated: energy.estimated,
        ...(energy.reason ? { reason: energy.reason } : {}),
      },
      assumptions: [],
    };
    return { row, trainings: [] as Planned[] };
  }
  const assumptions: string[] = [];
  const trainings = trainingsOf(recipe, result, seen, assumptions).map((training): Planned => {
    const ticket = training.ratio === null ? null : seen.forward(training.ratio);
    if (training.ratio !== null) {
      assumptions.push(
        ticket === null
          ? 'the ticket counts as the dense network: at most'
          : `the ticket has the FLOPs of finished ones at p = ${training.ratio}`,
      );
    }
    return { ...training, ...costsOf(recipe, training, seen, known, assumptions), forward: ticket ?? known.forward };
  });
  const row: PlannedRow = {
    ...rest,
    epochs: {
      dense: epochsOf(trainings, (ratio) => ratio === null),
      ticket: epochsOf(trainings, (ratio) => ratio !== null),
    },
    flops: plannedFlops(trainings, known.images),
    seconds: total(trainings.map((training) => times(training.seconds, training.epochs))),
    joules: total(trainings.map((training) => times(training.joules, training.epochs))),
    assumptions: [...new Set(assumptions)],
  };
  return { row, trainings };
}

/** The trainings of a row. The drawing epoch of an Early-Bird ticket is that of finished rows, else the last one there can be. */
function trainingsOf(
  { epochs }: BenchEnergyRecipe,
  { method, ratio, stages }: RowResult,
  seen: SeenRows,
  assumptions: string[],
): (Kind & { epochs: number; done: number })[] {
  const { kind, low } = METHODS[method];
  const done = (name: string) => stages.find((stage) => stage.name === name)?.epochs ?? 0;
  const dense = { ratio: null, low: false, epochs, done: done('dense') };
  if (kind === 'dense') return [dense];
  if (kind === 'after-dense') return [dense, { ratio, low: false, epochs, done: done('retrain') }];
  const before = seen.drawn(ratio!, low.search);
  const drawn = before === null ? epochs - 1 : Math.round(before);
  assumptions.push(
    before === null
      ? `the ticket is drawn after epoch ${drawn}, the last time it can be: at most`
      : `the ticket is drawn after epoch ${drawn}, as in finished rows`,
  );
  return [
    { ratio: null, low: low.search, epochs: drawn, done: done('search') },
    { ratio, low: low.retrain, epochs: method === 'eb-reinit' ? epochs : epochs - drawn, done: done('retrain') },
  ];
}

/** Of an epoch. */
function costsOf(
  { imagesPerSecond, watts }: BenchEnergyRecipe,
  { ratio, low }: Kind,
  seen: SeenRows,
  { images }: Known,
  assumptions: string[],
): { seconds: Estimate; joules: Estimate } {
  const own = seen.epoch({ ratio, low });
  const dense = seen.epoch({ ratio: null, low });
  const asDense = ratio !== null && own.seconds === null && dense.seconds !== null;
  if (asDense) assumptions.push('an epoch of the ticket takes what one of the dense network does: at most');
  const measured = own.seconds ?? dense.seconds;
  const given = imagesPerSecond === undefined || images === null ? null : images / imagesPerSecond;
  if (measured === null && given !== null)
    assumptions.push(`${imagesPerSecond} images/s for every network, as given; evaluation is left out`);
  const seconds = measured ?? given;
  const metered = own.joules ?? dense.joules;
  const byWatts = seconds === null || watts === undefined ? null : seconds * watts;
  if (metered === null && byWatts !== null) assumptions.push(`${watts} W throughout, as given`);
  const what = `no epoch of ${ratio === null ? 'the dense network' : 'a ticket'}${low ? ' in low precision' : ''}`;
  return {
    seconds: estimate(seconds, `${what} was run here, and --images-per-second is not given`),
    joules: estimate(metered ?? byWatts, `${what} was metered here, and there is no time and --watts to estimate with`),
  };
}

const estimate = (value: number | null, reason: string): Estimate =>
  value === null ? { value, estimated: true, reason } : { value, estimated: true };
const times = (one: Estimate, factor: number): Estimate => ({
  ...one,
  value: one.value === null ? null : one.value * factor,
});

function total(parts: readonly Estimate[]): Estimate {
  const missing = parts.find(({ value }) => value === null);
  if (missing) return missing;
  return {
    value: parts.reduce((sum, { value }) => sum + value!, 0),
    estimated: parts.some(({ estimated }) => estimated),
  };
}

function epochsOf(trainings: readonly Planned[], matches: (ratio: number | null) => boolean): number {
  return trainings.reduce((sum, { ratio, epochs }) => sum + (matches(ratio) ? epochs : 0), 0);
}

function plannedFlops(trainings: readonly Planned[], images: number | null): PlannedRow['flops'] {
  if (images === null || trainings.some(({ forward }) => forward === null)) return null;
  const stretches = trainings.map(({ forward, epochs }) => ({ forward: forward!, images: epochs * images }));
  return flopsOf(stretches);
}

function leftOf(planned: readonly { row: PlannedRow; trainings: Planned[] }[]): EnergyPlan['left'] {
  const begun = new Set<number>();
  const parts = planned.flatMap(({ row, trainings }) =>
    trainings.filter(({ ratio, low }) => {
      const isShared = ratio === null && !low && METHODS[row.method].kind !== 'early-bird';
      if (!isShared) return true;
      const first = !begun.has(row.seed);
      begun.add(row.seed);
      return first;
    }),
  );
  const left = (cost: 'seconds' | 'joules') =>
    total(parts.map((training) => times(training[cost], Math.max(0, training.epochs - training.done))));
  const rows = planned.filter(({ row }) => row.state !== 'finished').length;
  return { rows, seconds: left('seconds'), joules: left('joules') };
}
