/**
 * Summary of the rows of `bench energy` over their seeds: means, standard deviations, and the gain over the baseline.
 */
import { sameWays, waysText } from '../energy/totals';
import type { Provenance } from '../engine/provenance';
import { type Statistic, statistic } from '../measure';
import { networkName } from '../network/names';
import { NO_PAPER_FLOPS } from '../network/training-flops';
import type { EnergyMethod } from '../recipe/cost';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { MODELLED } from '../report/table';
import { type Energy, inCommon, type RowResult } from './row-results';
import { labelOf, METHODS, nameOf } from './rows';
import { type MachineRecord, refuseMixedMachines } from './same-machine';

export const BIT_OPERATIONS = 'Bit operations are those of training: multiply-adds times the bits of both operands.';

type Costs = 'joules' | 'paperFlops' | 'exactFlops' | 'gbitops' | 'seconds';

/** All seeds of one method at one ratio. */
export interface EnergyGroup {
  method: EnergyMethod;
  ratio: number | null;
  /** Number of finished rows. */
  n: number;
  /** Number of planned rows. */
  of: number;
  /** Exact test top-1, percent. */
  top1: Statistic | null;
  top1Best: Statistic | null;
  /** Joules; null where a finished row has none, with the reason in `energyMissing`. */
  joules: Statistic | null;
  energyEstimated: boolean;
  /**
   * Parts that were read and the method of reading: "gpu counter". Joules of groups that differ here are not compared.
   */
  energyWays: string[];
  energyMissing: string | null;
  paperFlops: Statistic | null;
  exactFlops: Statistic | null;
  /** 1e9 bit operations; null where a run is of a version that did not count them. */
  gbitops: Statistic | null;
  /** Joules of the multiply-adds by a table, never measured. */
  modelledJoules: Statistic | null;
  seconds: Statistic | null;
  /** Number of epochs before an Early-Bird ticket was drawn. */
  drawn: Statistic | null;
  /** Grams of CO2, only where --carbon gives the grams a kWh. */
  co2?: Statistic | null;
  /**
   * Gains as means over `gainSeeds`: top-1 minus that of the baseline in points, and costs of the baseline over those of
   * the group; null where one is missing. Null for the baseline itself, and for the dense network where the baseline
   * has ratios.
   */
  gain: Record<'top1' | Costs, number | null> | null;
  /** Seeds that the group and the baseline have both finished; null where `gain` is. */
  gainSeeds: number[] | null;
}

/** Means of rows that are finished. */
type Figures = Omit<EnergyGroup, 'method' | 'ratio' | 'n' | 'of' | 'co2' | 'gain' | 'gainSeeds'>;

export interface EnergyBench {
  version: 1;
  network: string;
  dataset: Provenance['dataset'];
  epochs: number;
  baseline: EnergyMethod;
  /** Grams of CO2 a kWh, where given. */
  carbon: number | null;
  machine: MachineRecord;
  rows: RowResult[];
  groups: EnergyGroup[];
  notes: string[];
}

/** Summarises the whole comparison; null where no row is finished. Throws ERR_RECIPE for rows of different machines. */
export function benchOf(recipe: BenchEnergyRecipe, rows: RowResult[]): EnergyBench | null {
  const stages = rows.flatMap((row) => row.stages);
  refuseMixedMachines(stages);
  const [first] = stages;
  if (!first || rows.every(({ state }) => state !== 'finished')) return null;
  const { baseline, carbon = null, arch, depth, cfg, epochs } = recipe;
  const groups = groupsOf(rows, recipe);
  return {
    version: 1,
    network: networkName(arch, depth!, cfg),
    dataset: first.dataset,
    epochs,
    baseline,
    carbon,
    machine: first.machine,
    rows,
    groups,
    notes: notesOf(rows, groups, recipe, first.dataset.synthetic),
  };
}

const JOULES_PER_KWH = 3.6e6;

function groupsOf(rows: readonly RowResult[], { baseline, carbon }: BenchEnergyRecipe): EnergyGroup[] {
  const byGroup = new Map<string, RowResult[]>();
  for (const row of rows) {
    const key = `${row.method} ${row.ratio}`;
    byGroup.set(key, [...(byGroup.get(key) ?? []), row]);
  }
  const all = [...byGroup.values()];
  const baselineFor = (ratio: number | null) =>
    all.find(([first]) => first!.method === baseline && (first!.ratio === null || first!.ratio === ratio));
  return all.map((group) => groupOf(group, baselineFor(group[0]!.ratio), carbon));
}

function groupOf(
  rows: readonly RowResult[],
  baseline: readonly RowResult[] | undefined,
  carbon: number | undefined,
): EnergyGroup {
  const done = finished(rows);
  const figures = figuresOf(done);
  return {
    method: rows[0]!.method,
    ratio: rows[0]!.ratio,
    n: done.length,
    of: rows.length,
    ...figures,
    ...(carbon === undefined ? {} : { co2: scaled(figures.joules, carbon / JOULES_PER_KWH) }),
    ...gainOver(baseline, rows),
  };
}

const finished = (rows: readonly RowResult[]) => rows.filter(({ state }) => state === 'finished');

function figuresOf(done: readonly RowResult[]): Figures {
  const of = (value: (row: RowResult) => number | null) => statistic(done.flatMap((row) => value(row) ?? []));
  const { estimated, ways, reason } = inCommon(done.map(({ energy }) => energy));
  const missing = done.length === 0 ? 'no row is finished' : reason;
  return {
    top1: of(({ top1Last }) => top1Last),
    top1Best: of(({ top1Best }) => top1Best),
    joules: missing === null ? of(({ energy }) => energy.joules) : null,
    energyEstimated: estimated,
    energyWays: ways,
    energyMissing: missing,
    paperFlops: done.some(({ flops }) => flops?.paper === null) ? null : of(({ flops }) => flops?.paper ?? null),
    exactFlops: of(({ flops }) => flops?.exact ?? null),
    ...arithmeticOf(done),
    seconds: of(({ seconds }) => seconds),
    drawn: of(({ drawn }) => drawn),
  };
}

function arithmeticOf(done: readonly RowResult[]): Pick<EnergyGroup, 'gbitops' | 'modelledJoules'> {
  const counted = done.flatMap(({ arithmetic }) => arithmetic ?? []);
  if (counted.length < done.length) return { gbitops: null, modelledJoules: null };
  const of = (name: 'gbitops' | 'modelledJoules') => statistic(counted.map((costs) => costs[name]));
  return { gbitops: of('gbitops'), modelledJoules: of('modelledJoules') };
}

function scaled(value: Statistic | null, factor: number): Statistic | null {
  return value && { n: value.n, mean: value.mean * factor, sd: value.sd === null ? null : value.sd * factor };
}

/** Compares the figures of a group with those of the baseline, of the seeds that both finished. */
function gainOver(
  baseline: readonly RowResult[] | undefined,
  rows: readonly RowResult[],
): Pick<EnergyGroup, 'gain' | 'gainSeeds'> {
  if (!baseline || baseline === rows) return { gain: null, gainSeeds: null };
  const seeds = new Set(finished(baseline).map(({ seed }) => seed));
  const own = finished(rows).filter(({ seed }) => seeds.has(seed));
  const gainSeeds = own.map(({ seed }) => seed);
  const theirs = figuresOf(finished(baseline).filter(({ seed }) => gainSeeds.includes(seed)));
  const ours = figuresOf(own);
  const times = (cost: Costs) => {
    const [above, below] = [theirs[cost]?.mean, ours[cost]?.mean];
    return above !== undefined && below !== undefined && above > 0 && below > 0 ? above / below : null;
  };
  const gain = {
    top1: theirs.top1 && ours.top1 ? ours.top1.mean - theirs.top1.mean : null,
    joules: sameWays(theirs.energyWays, ours.energyWays) ? times('joules') : null,
    paperFlops: times('paperFlops'),
    exactFlops: times('exactFlops'),
    gbitops: times('gbitops'),
    seconds: times('seconds'),
  };
  return { gain, gainSeeds };
}

/** Notes below the tables. */
function notesOf(
  rows: readonly RowResult[],
  groups: readonly EnergyGroup[],
  { baseline, carbon }: BenchEnergyRecipe,
  synthetic: boolean,
): string[] {
  const energies = rows.filter(({ state }) => state === 'finished').map(({ energy }) => energy);
  const seeds = [...new Set(groups.map(({ n }) => n))].filter((n) => n > 0);
  const failures = rows.filter(({ state }) => state === 'failed');
  return [
    ...(synthetic ? ['Synthetic dataset: these numbers say nothing about accuracy on real images.'] : []),
    `Means ± sample standard deviations over n seeds (n = ${seeds.sort((a, b) => a - b).join(', ') || 0})${seeds.includes(1) ? '; one seed has no deviation' : ''}.`,
    `In brackets: accuracy minus that of ${METHODS[baseline].label} in points; costs: ${METHODS[baseline].label}'s over the method's (2x: half of it), means over the seeds that both finished.`,
    ...fewerNote(groups),
    'Accuracy is exact test top-1 of the last epoch. The dense training that LT one-shot and network slimming begin with counts in each of them.',
    'FLOPs by the paper round the forward FLOPs of a network to 0.01 G; neither rule counts evaluation, masks, detection and pruning. Time is that of training and evaluation.',
    ...(rows.some(({ method }) => METHODS[method].earlyBird?.search)
      ? ['Low precision is simulated: its energy and time are those of this machine, not of 8-bit hardware.']
      : []),
    ...(groups.some(({ gbitops }) => gbitops)
      ? [BIT_OPERATIONS, `${MODELLED}: it is in no sum of measured energy.`]
      : []),
    ...(energies.some(({ estimated }) => estimated) ? ['~: energy estimated from --watts, not measured.'] : []),
    ...energyNotes(groups, energies),
    ...(rows.some(({ flops }) => flops?.paper === null) ? [NO_PAPER_FLOPS] : []),
    ...(carbon === undefined ? [] : [`CO2 at ${carbon} g for a kWh, as given.`]),
    ...failures.map((row) => `${nameOf(row)}: ${row.failure}`),
  ];
}

/** Names the groups that are compared over fewer seeds than were asked for. */
function fewerNote(groups: readonly EnergyGroup[]): string[] {
  const fewer = groups.flatMap((group) => {
    const n = group.gainSeeds?.length ?? 0;
    return n > 0 && n < group.of ? [`${labelOf(group)} (${n} of ${group.of})`] : [];
  });
  return fewer.length > 0 ? [`In brackets over fewer seeds than asked for: ${fewer.join('; ')}.`] : [];
}

/** Notes on the parts that the joules cover, on those that are not compared, and on missing energy. */
function energyNotes(groups: readonly EnergyGroup[], energies: readonly Energy[]): string[] {
  const known = groups.filter(({ joules, energyWays }) => joules && energyWays.length > 0);
  const read = [...new Set(known.map(({ energyWays }) => waysText(energyWays)))];
  const missing = groups.filter(({ n }) => n > 0).flatMap(({ energyMissing }) => energyMissing ?? []);
  const notes = energies.flatMap(({ note }) => note ?? []);
  const by = (text: string) =>
    [...new Set(known.filter(({ energyWays }) => waysText(energyWays) === text).map(({ method }) => method))]
      .map((method) => METHODS[method].label)
      .join(', ');
  return [
    ...(read.length === 1 ? [`Energy of ${read[0]}, without the loading of data.`] : []),
    ...(read.length > 1
      ? [
          `Energy without the loading of data, and not of the same parts, so that it is not compared: ${read.map((text) => `${text} in ${by(text)}`).join('; ')}.`,
        ]
      : []),
    ...[...new Set(missing)].map((reason) => `No energy: ${reason}.`),
    ...[...new Set(notes)].map((note) => `Energy ${note}.`),
  ];
}
