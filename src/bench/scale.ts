/** `bench scale`: the training step on one and on several ranks of this host, beside PyTorch's DDP on as many. */
import { runApart } from '../engine/apart';
import { openEngine, requestedDevice } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { flagWords, type ProgramLimits } from '../engine/program';
import { ratioOf, type Spread, spread } from '../measure';
import { freePort, rankEnvironment } from '../ranks/launch';
import { placeOf } from '../ranks/place';
import { Ranks } from '../ranks/ranks';
import type { BenchScaleRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { peerRecord, runPeerProgram, settlePeer, stepFlags } from './peer';
import { OURS, takeTurns } from './rounds';
import { timeSteps } from './step';
import { createTraining } from './workload';

/** One run of one program on so many ranks. */
export interface ScaleRun {
  ranks: number;
  imagesPerSecond: number;
  /** Of rank 0, a step: milliseconds in which it only waited for the others, and bytes that it gave to be summed. */
  waitedMs: number | null;
  bytes: number | null;
}

/** All runs on so many ranks. */
export interface ScaleRow {
  system: string;
  ranks: number;
  threads: number;
  imagesPerSecond: Spread | null;
  /** Over the same program on one rank, which has all threads. */
  overOne: number | null;
  waitedMs: Spread | null;
  /** Of the step. */
  waitedShare: number | null;
  bytes: number | null;
  failure?: string;
}

/** Training steps a second by number of ranks, ours and those of PyTorch DDP. */
export interface ScaleBench {
  machine: Machine;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  rows: ScaleRow[];
  /** Images per second of ours over those of DDP, by number of ranks. */
  ratios: Record<string, number | null>;
}

const DDP = 'ddp';
const MODE = { one: 'peer_train.py', several: 'peer_ddp.py' };

/** Times the step on each number of ranks. Throws ERR_USAGE for a folder without the peer. */
export async function benchScale(asked: BenchScaleRecipe, options: RunOptions = {}): Promise<ScaleBench> {
  const recipe = settlePeer(asked, MODE.several, options.observer?.log);
  const { model, batchSize, steps, rounds } = recipe;
  const engine = openEngine(recipe);
  const total = engine.addon.runtime().threads;
  const threadsOf = (ranks: number) => Math.max(1, Math.floor(total / ranks));
  const name = (system: string, ranks: number) => `${system} x ${ranks}`;
  const turns = recipe.ranks.flatMap((ranks) => [
    {
      system: name(OURS, ranks),
      text,
      run: () => runOurs(recipe, ranks, threadsOf(ranks), options),
    },
    ...(recipe.peer === undefined
      ? []
      : [
          {
            system: name(DDP, ranks),
            text,
            run: () => runPeers(recipe, ranks, threadsOf(ranks), options),
            isPeer: true,
          },
        ]),
  ]);
  const results = await takeTurns<ScaleRun>(turns, rounds, options);
  const rows = recipe.ranks.flatMap((ranks) =>
    [OURS, ...(recipe.peer === undefined ? [] : [DDP])].map((system): ScaleRow => {
      const { runs, failure } = results[name(system, ranks)]!;
      const rate = spread(runs.map(({ imagesPerSecond }) => imagesPerSecond));
      const one = spread((results[name(system, 1)]?.runs ?? []).map(({ imagesPerSecond }) => imagesPerSecond));
      const waitedMs = spread(runs.flatMap(({ waitedMs }) => waitedMs ?? []));
      return {
        ...{ system, ranks, threads: threadsOf(ranks), imagesPerSecond: rate, overOne: ratioOf(rate, one) },
        ...{ waitedMs, waitedShare: waitedMs && rate ? (waitedMs.median * rate.median) / (1000 * batchSize) : null },
        bytes: runs[0]?.bytes ?? null,
        ...(failure === undefined ? {} : { failure }),
      };
    }),
  );
  const rate = (system: string, ranks: number) =>
    rows.find((row) => row.system === system && row.ranks === ranks)?.imagesPerSecond ?? null;
  return {
    machine: await describeMachine(engine, options.commandLine),
    ...{ model, batchSize, steps, rounds, rows },
    ratios: Object.fromEntries(recipe.ranks.map((ranks) => [ranks, ratioOf(rate(OURS, ranks), rate(DDP, ranks))])),
  };
}

const text = ({ imagesPerSecond, waitedMs }: ScaleRun) =>
  `${imagesPerSecond.toFixed(1)} images/s${waitedMs === null ? '' : `, ${waitedMs.toFixed(1)} ms a step waiting`}`;

/** The run of one rank, in this process. Where others belong to it, all of them run this. */
export async function timeScale(recipe: BenchScaleRecipe, { signal }: RunOptions = {}): Promise<ScaleRun> {
  const place = placeOf(process.env);
  const engine = openEngine({ ...recipe, place });
  using ranks = place ? await Ranks.join(engine, place, { ...recipe, rankTimeout: recipe.timeout }, {}) : undefined;
  using training = await createTraining(engine, { ...recipe, ranks });
  const { warmup, steps, batchSize } = recipe;
  await timeSteps(training, recipe, { steps: warmup, epoch: 0 }, signal);
  const before = await ranks?.group.traffic();
  const { imagesPerSecond } = await timeSteps(training, { batchSize }, { steps, epoch: 1 }, signal);
  const after = await ranks?.group.traffic();
  // On a GPU sums run beside the host, and in a replayed step without it.
  const seen = engine.device === 'cpu' && before && after;
  return {
    ranks: place?.size ?? 1,
    imagesPerSecond,
    waitedMs: seen ? (1000 * (after.waited - before.waited)) / steps : null,
    bytes: seen ? (after.bytes - before.bytes) / steps : null,
  };
}

async function runOurs(
  recipe: BenchScaleRecipe,
  ranks: number,
  threads: number,
  options: RunOptions,
): Promise<ScaleRun> {
  const { model, batchSize, steps, warmup, precision, seed, capture, syncBn, gradientDtype, timeout } = recipe;
  const flags = {
    ...{ model, batchSize, steps, warmup, precision, seed, capture, syncBn, gradientDtype, timeout, threads },
    ...{ device: requestedDevice(recipe), peer: 'none', single: true },
  };
  const [run] = await onRanks(ranks, options, (limits, own) =>
    runApart<ScaleRun>(['bench', 'scale'], flags, { timeout, ...limits }, own),
  );
  return run!;
}

/** The record of peer_ddp.py and peer_train.py, as far as it is read here. */
interface PeerScale {
  images_per_s_wall: number;
}

/** One rank is the peer's tuned step, which needs no DDP. */
async function runPeers(
  recipe: BenchScaleRecipe,
  ranks: number,
  threads: number,
  options: RunOptions,
): Promise<ScaleRun> {
  const words = flagWords(stepFlags({ ...recipe, threads }, 'tuned'));
  const program = ranks === 1 ? MODE.one : MODE.several;
  // Only rank 0 writes a record.
  const [record] = await onRanks<PeerScale | string>(ranks, options, (limits, own, rank) =>
    rank === 0
      ? peerRecord<PeerScale>(recipe, program, words, own, limits)
      : runPeerProgram(recipe, program, words, own, limits),
  );
  return { ranks, imagesPerSecond: (record as PeerScale).images_per_s_wall, waitedMs: null, bytes: null };
}

/** Runs a program as so many ranks, which end together: the first that fails ends the others, before the next is measured. */
async function onRanks<T>(
  ranks: number,
  options: RunOptions,
  run: (limits: Omit<ProgramLimits, 'timeout'>, options: RunOptions, rank: number) => Promise<T>,
): Promise<T[]> {
  if (ranks === 1) return [await run({}, options, 0)];
  const port = await freePort();
  const turn = new AbortController();
  const signal = AbortSignal.any([turn.signal, ...(options.signal ? [options.signal] : [])]);
  const all = Array.from({ length: ranks }, (_, rank) => {
    // A rank that waits for the others heeds no request to stop.
    const limits = { env: rankEnvironment(rank, ranks, port), killSignal: 'SIGKILL' as const };
    return run(limits, { ...options, signal }, rank).catch((error) => {
      turn.abort(error);
      throw error;
    });
  });
  await Promise.allSettled(all);
  turn.signal.throwIfAborted();
  return Promise.all(all);
}
