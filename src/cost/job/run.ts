/** Runs one row of `bench job`, a process that does the whole job, and reads its record. */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { peerRecord } from '../../bench/peer';
import { OURS } from '../../bench/rounds';
import type { RunMeter } from '../../energy/meter';
import { isEstimated, measuredWays, settled } from '../../energy/totals';
import { runApart } from '../../engine/apart';
import type { Provenance } from '../../engine/provenance';
import type { Precision } from '../../native/types/pass';
import type { BenchJobRecipe } from '../../recipe/recipe';
import { RunDirectory } from '../../run/directory';
import type { EpochMetrics } from '../../run/metrics';
import type { RunOptions } from '../../run/observer';
import type { TrainResult } from '../../train/eb-train';
import { arithmeticOver, epochArithmetic } from '../../train/precision/follow';
import type { Energy } from '../row-results';
import { type JobRow, peerWords, trainEntries } from './rows';

/** One network of a job: the dense one or the ticket. */
export interface JobStage {
  epochs: number;
  parameters: number;
  /** Multiplications and additions of a forward pass, by the rule of the program. */
  flops: number;
  /** Mean seconds of its epochs, training alone; null where it had none. */
  epochSeconds: number | null;
  /** 1e9 bit operations of its training; absent where a version did not count them. */
  gbitops?: number;
  /**
   * Mask distances of the peer's dense network: after each epoch, the distances to the masks of up to four epochs
   * before.
   */
  maskDistances?: number[][];
}

/** Results and costs of a job. */
export interface JobRecord {
  /** Exact test top-1 after the last epoch, percent. */
  top1: number;
  /** Exact test top-1 of the dense network after its own last epoch, percent. */
  denseTop1: number | null;
  /** Seconds of passes over training images, of tests after every epoch, and of the whole process. */
  seconds: { train: number; test: number; whole: number };
  /** Energy of the whole process. */
  energy: Energy;
  dense: JobStage;
  ticket: JobStage;
  dtype: string;
  /** Program and its release. */
  versions: Record<string, string | number>;
}

/** Files in CIFAR's binary layout for the peer, and the data that they were made from. */
export interface JobData {
  train: string;
  test: string;
  dataset: Provenance['dataset'];
  classes: number;
}

type Done = Omit<JobRecord, 'seconds' | 'energy'> & { seconds: { train: number; test: number } };

/** Runs a row in a process of its own, and returns its record. */
export async function runRow(
  recipe: BenchJobRecipe,
  row: JobRow,
  data: JobData,
  meter: RunMeter,
  options: RunOptions,
): Promise<JobRecord> {
  await meter.lap();
  const start = performance.now();
  const done = await meter.metered('job', () =>
    row.system === OURS ? runOurs(recipe, row, options) : runPeer(recipe, row, data, options),
  );
  const whole = (performance.now() - start) / 1000;
  return { ...done, seconds: { ...done.seconds, whole }, energy: await energyOf(meter) };
}

async function energyOf(meter: RunMeter): Promise<Energy> {
  const window = (await meter.lap())?.job;
  if (!window) return { joules: null, estimated: false, ways: [], reason: 'the runs were not metered' };
  const total = settled(window);
  const known = { joules: total.joules, estimated: isEstimated(total), ways: measuredWays(total) };
  if (known.joules !== null) return known;
  const reasons = meter.sources().flatMap(({ reason }) => reason ?? []);
  return { ...known, reason: total.reason ?? (reasons.join('; ') || 'a window could not be read') };
}

async function runOurs(recipe: BenchJobRecipe, row: JobRow, options: RunOptions): Promise<Done> {
  // An interrupted run starts over, so that its time is that of one process.
  const flags = { ...trainEntries(recipe, row), force: true };
  const result = await runApart<TrainResult>(['train'], flags, recipe, options);
  const folder = (stage: 'search' | 'retrain') => RunDirectory.at(result[stage].directory);
  const [search, retrain] = [await folder('search').readMetrics(), await folder('retrain').readMetrics()];
  const params = (await RunDirectory.at(join(row.folder, 'run')).readJson<Provenance>('params.json'))!;
  const all = [...search, ...retrain];
  const sum = (of: (line: EpochMetrics) => number) => all.reduce((total, line) => total + of(line), 0);
  return {
    top1: result.retrain.top1Last ?? Number.NaN,
    denseTop1: result.search.top1Last,
    seconds: { train: sum(({ seconds }) => seconds.train), test: sum(({ seconds }) => seconds.evaluate) },
    dense: { ...stageOf(search), parameters: result.search.parameters, flops: result.search.flops },
    ticket: { ...stageOf(retrain), parameters: result.retrain.parameters, flops: result.retrain.flops },
    dtype: params.precision,
    versions: { earlybird: params.earlybird, libtorch: params.libtorch, threads: params.threads },
  };
}

function stageOf(metrics: readonly EpochMetrics[]): Pick<JobStage, 'epochs' | 'epochSeconds' | 'gbitops'> {
  const seconds = metrics.reduce((sum, line) => sum + line.seconds.train, 0);
  const counted = arithmeticOver(metrics);
  return {
    epochs: metrics.length,
    epochSeconds: metrics.length > 0 ? seconds / metrics.length : null,
    ...(counted ? { gbitops: counted.gbitops } : {}),
  };
}

/** Fields of the record of peer_job.py that are read here (bench/peer/README.md, "The record"). */
interface PeerJob {
  top1: number;
  dense_top1: number;
  dtype: Precision;
  torch: string;
  threads: number;
  transform: string;
  seconds: { train: number; test: number };
  stages: Record<'dense' | 'retrain', PeerStage>;
}

interface PeerStage {
  epochs: number;
  seconds: { train: number };
  parameters: number;
  macs_per_image: number;
  mask_distances?: number[][];
}

/** 1e9 bit operations of training in full precision, where all operands have one width. */
const fullGbitops = (macs: number, images: number, precision: Precision) =>
  epochArithmetic({ first: 0, inner: macs, linear: 0 }, images, { formats: undefined, precision }).gbitops;

async function runPeer(recipe: BenchJobRecipe, row: JobRow, data: JobData, options: RunOptions): Promise<Done> {
  const record = await peerRecord<PeerJob>(recipe, 'peer_job.py', peerWords(recipe, row, data), options);
  const { dense, retrain } = record.stages;
  const stage = ({ epochs, seconds, parameters, macs_per_image: macs }: PeerStage): JobStage => ({
    ...{ epochs, parameters, flops: 2 * macs },
    epochSeconds: seconds.train / epochs,
    gbitops: fullGbitops(macs, epochs * data.dataset.train, record.dtype),
  });
  return {
    top1: record.top1,
    denseTop1: record.dense_top1,
    seconds: record.seconds,
    dense: { ...stage(dense), ...(dense.mask_distances && { maskDistances: dense.mask_distances }) },
    ticket: stage(retrain),
    dtype: record.dtype,
    versions: { torch: record.torch, threads: record.threads, transform: record.transform },
  };
}
