/** Jobs over their seeds: means, and our differences from each mode of the peer, seed by seed. */
import { OURS } from '../../bench/rounds';
import { sameWays, waysText } from '../../energy/totals';
import type { Machine } from '../../engine/machine';
import type { Provenance } from '../../engine/provenance';
import { type Statistic, statistic } from '../../measure';
import { networkName } from '../../network/names';
import { JOB_MODELS } from '../../recipe/job';
import type { BenchJobRecipe } from '../../recipe/recipe';
import { formatSigned } from '../../report/format';
import { CONFIDENCE, type Interval, tInterval } from '../../student-t';
import { inCommon } from '../row-results';
import { BIT_OPERATIONS } from '../summary';
import { type JobRow, nameOf, systemsOf } from './rows';
import type { JobRecord, JobStage } from './run';

/** One program over all seeds. */
export interface JobGroup {
  system: string;
  /** Number of finished runs. */
  n: number;
  /** Number of planned runs. */
  of: number;
  top1: Statistic | null;
  denseTop1: Statistic | null;
  /** Seconds of training passes. */
  train: Statistic | null;
  /** Seconds of the whole process. */
  whole: Statistic | null;
  /** Joules of the whole process; null where a run has none, with the reason in `energyMissing`. */
  joules: Statistic | null;
  energyEstimated: boolean;
  energyWays: string[];
  energyMissing: string | null;
  /** Number of epochs of the dense network. */
  denseEpochs: Statistic | null;
  /** 1e9 bit operations of training both networks; null where a run did not count them. */
  gbitops: Statistic | null;
  /** Ratios of the ticket to the dense network: FLOPs of an image, and seconds of a training epoch. */
  flopsRatio: Statistic | null;
  epochRatio: Statistic | null;
  /** Comparison with ours, over the seeds that both finished; null for ours, and where there are no such seeds. */
  against: JobAgainst | null;
}

/** A mode of the peer compared with this program. */
export interface JobAgainst {
  seeds: number[];
  /** Ratios of its summed costs to ours: above 1 where it costs more. */
  train: number;
  whole: number;
  joules: number | null;
  gbitops: number | null;
  /** Our top-1 minus that of the peer, in points, paired by seed, with Student's t interval of the mean at 95 %. */
  top1: Statistic & Interval;
}

/** A run, and the commit of this program that did it, where it is known. */
type JobRun = JobRow & { commit?: string | null; record: JobRecord };

export interface JobBench {
  version: 1;
  bench: 'job';
  machine: Machine;
  network: string;
  dataset: Provenance['dataset'];
  ratio: number;
  epochs: number;
  batchSize: number;
  runs: JobRun[];
  groups: JobGroup[];
  notes: string[];
}

export function summarise(
  recipe: BenchJobRecipe,
  runs: JobRun[],
  failures: ReadonlyMap<JobRow, Error>,
  { machine, dataset }: Pick<JobBench, 'machine' | 'dataset'>,
): JobBench {
  const { model, ratio, epochs, batchSize, seeds } = recipe;
  const { arch, depth } = JOB_MODELS[model];
  const of = (system: string) => runs.filter((run) => run.system === system);
  const ours = of(OURS);
  const groups = systemsOf(recipe).map((system) => groupOf(system, of(system), seeds.length, ours));
  return {
    version: 1,
    bench: 'job',
    machine,
    network: networkName(arch, depth),
    ...{ dataset, ratio, epochs, batchSize, runs, groups },
    notes: [...notesOf(groups, dataset, failures), ...commitNote(runs)],
  };
}

function groupOf(system: string, runs: readonly JobRun[], of: number, ours: readonly JobRun[]): JobGroup {
  const over = (value: (record: JobRecord) => number | null) =>
    statistic(runs.flatMap(({ record }) => value(record) ?? []));
  const { estimated, ways, reason } = inCommon(runs.map(({ record }) => record.energy));
  return {
    system,
    n: runs.length,
    of,
    top1: over(({ top1 }) => top1),
    denseTop1: over(({ denseTop1 }) => denseTop1),
    train: over(({ seconds }) => seconds.train),
    whole: over(({ seconds }) => seconds.whole),
    joules: reason === null ? over(({ energy }) => energy.joules) : null,
    energyEstimated: estimated,
    energyWays: ways,
    energyMissing: reason,
    denseEpochs: over(({ dense }) => dense.epochs),
    gbitops: runs.every(({ record }) => gbitopsOf(record) !== null) ? over(gbitopsOf) : null,
    flopsRatio: over(({ dense, ticket }) => ticket.flops / dense.flops),
    epochRatio: over(({ dense, ticket }) => epochRatio(dense, ticket)),
    against: system === OURS ? null : againstOurs(runs, ours),
  };
}

const gbitopsOf = ({ dense, ticket }: JobRecord) =>
  dense.gbitops === undefined || ticket.gbitops === undefined ? null : dense.gbitops + ticket.gbitops;

const epochRatio = (dense: JobStage, ticket: JobStage) =>
  dense.epochSeconds !== null && ticket.epochSeconds !== null ? ticket.epochSeconds / dense.epochSeconds : null;

function againstOurs(theirs: readonly JobRun[], ours: readonly JobRun[]): JobAgainst | null {
  const pairs = theirs.flatMap((run) => {
    const own = ours.find(({ seed }) => seed === run.seed);
    return own ? [{ seed: run.seed, their: run.record, our: own.record }] : [];
  });
  const top1 = statistic(pairs.map(({ their, our }) => our.top1 - their.top1));
  if (!top1) return null;
  const total = (side: 'their' | 'our', of: (record: JobRecord) => number) =>
    pairs.reduce((sum, pair) => sum + of(pair[side]), 0);
  const times = (of: (record: JobRecord) => number) => total('their', of) / total('our', of);
  const comparable = inCommon(pairs.flatMap(({ their, our }) => [their.energy, our.energy])).reason === null;
  const counted = pairs.every(({ their, our }) => gbitopsOf(their) !== null && gbitopsOf(our) !== null);
  return {
    seeds: pairs.map(({ seed }) => seed),
    train: times(({ seconds }) => seconds.train),
    whole: times(({ seconds }) => seconds.whole),
    joules: comparable ? times(({ energy }) => energy.joules!) : null,
    gbitops: counted ? times((record) => gbitopsOf(record)!) : null,
    top1: { ...top1, ...tInterval(top1) },
  };
}

function commitNote(runs: readonly JobRun[]): string[] {
  const commits = [...new Set(runs.map(({ commit }) => commit ?? 'one that was not recorded'))];
  return commits.length > 1 ? [`Runs of several commits of ${OURS}: ${commits.join(', ')}.`] : [];
}

function notesOf(
  groups: readonly JobGroup[],
  { synthetic }: Provenance['dataset'],
  failures: ReadonlyMap<JobRow, Error>,
): string[] {
  const energies = groups.filter(({ joules }) => joules !== null);
  const [first] = energies;
  const alike = energies.every(({ energyWays }) => sameWays(energyWays, first!.energyWays));
  const missing = [...new Set(groups.filter(({ n }) => n > 0).flatMap(({ energyMissing }) => energyMissing ?? []))];
  return [
    ...(synthetic ? ['Synthetic dataset: these numbers say nothing about accuracy on real images.'] : []),
    `Means ± sample standard deviations over seeds: ${groups.map(({ system, n, of }) => `${system} ${n} of ${of}`).join(', ')}.`,
    `In brackets, over the seeds that both finished: accuracy minus that of ${OURS} in points; costs over those of ${OURS} (2x: twice as much).`,
    'reference and tuned train the dense network to the end, prune and train the ticket for as many epochs; earlybird searches until the ticket emerges and trains it for the epochs that are left.',
    'Training: all passes over training images with their augmentation, of both networks. Whole job: the process from start to end, with its start, the opening of the data, a test after every epoch, pruning and files.',
    'Accuracy is exact test top-1 after the last epoch.',
    ...(groups.some(({ gbitops }) => gbitops) ? [BIT_OPERATIONS] : []),
    ...groups.flatMap(verdicts),
    ...(first
      ? [`Energy of the whole job: ${first.energyWays.length > 0 ? waysText(first.energyWays) : 'estimated'}.`]
      : []),
    ...(energies.some(({ energyEstimated }) => energyEstimated)
      ? ['~: energy estimated from --watts, not measured.']
      : []),
    ...(alike ? [] : ['Energy is not of the same parts everywhere, and is not compared.']),
    ...missing.map((reason) => `No energy: ${reason}.`),
    ...[...failures].map(([row, { message }]) => `${nameOf(row)}: ${message}`),
  ];
}

/** Sentences on time and accuracy beside ours, and on a ticket that trains no faster than its dense network. */
function verdicts({ system, against, epochRatio, flopsRatio }: JobGroup): string[] {
  const slow =
    epochRatio && flopsRatio && epochRatio.mean >= 1
      ? [
          `${system}: an epoch of the ticket takes ${epochRatio.mean.toFixed(2)}x the time of a dense one at ${flopsRatio.mean.toFixed(2)}x its FLOPs: the ticket is not faster.`,
        ]
      : [];
  if (!against) return slow;
  return [
    ...slow,
    `${system} trains for ${against.train.toFixed(2)}x our time; our top-1 is ${differenceText(against.top1)}.`,
  ];
}

/** Where our accuracy lies, with its interval, and whether the seeds tell it from no difference. */
function differenceText({ n, mean, low, high }: JobAgainst['top1']): string {
  const where = `${Math.abs(mean).toFixed(2)} points ${mean < 0 ? 'below' : 'above'}`;
  if (low === null || high === null) return `${where} (one paired seed, which has no interval)`;
  const interval = `${Math.round(100 * CONFIDENCE)} % interval ${formatSigned(low)} to ${formatSigned(high)}`;
  const known = `${where} (${interval}, ${n} paired seeds)`;
  return low <= 0 && high >= 0 ? `${known}: ${n} seeds cannot tell them apart` : known;
}
