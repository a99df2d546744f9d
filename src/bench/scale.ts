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

/** One run of one program on a number of ranks. */
export interface ScaleRun {
  ranks: number;
  imagesPerSecond: number;
  /** Milliseconds per step in which rank 0 only waited for the others. */
  waitedMs: number | null;
  /** Bytes per step that rank 0 gave to be summed. */
  bytes: number | null;
}

/** All runs on one number of ranks. */
export interface ScaleRow {
  /** System and ranks: "earlybird x 2". */
  name: string;
  system: string;
  ranks: number;
  threads: number;
  imagesPerSecond: Spread | null;
  /** Speed over that of the same program on one rank, which has all threads. */
  overOne: number | null;
  waitedMs: Spread | null;
  /** Waiting time over the time of the step. */
  waitedShare: number | null;
  bytes: number | null;
  failure?: string;
}

/** Training steps a second by number of ranks, ours and those of PyTorch DDP. */
export interface ScaleBench {
  machine: Machine;
  device: string;
  precision: string;
  syncBn: boolean;
  gradientDtype: string;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  rows: ScaleRow[];
  /** Ratios of our images per second to those of DDP, by number of ranks. */
  ratios: Record<string, number | null>;
}

const DDP = 'ddp';
const MODE = { one: 'peer_train.py', several: 'peer_ddp.py' };

/** Times the step on each number of ranks. Throws ERR_USAGE for a folder without the peer. */
export async function benchScale(asked: BenchScaleRecipe, options: RunOptions = {}): Promise<ScaleBench> {
  const recipe = settlePeer(asked, MODE.several, options.observer?.log);
  const { model, batchSize, steps, rounds, syncBn, gradientDtype } = recipe;
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
      const own = name(system, ranks);
      const { runs, failure } = results[own]!;
      const rate = spread(runs.map(({ imagesPerSecond }) => imagesPerSecond));
      const one = spread((results[name(system, 1)]?.runs ?? []).map(({ imagesPerSecond }) => imagesPerSecond));
      const waitedMs = spread(runs.flatMap(({ waitedMs }) => waitedMs ?? []));
      return {
        ...{ name: own, system, ranks, threads: threadsOf(ranks), imagesPerSecond: rate, overOne: ratioOf(rate, one) },
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
    ...{ device: engine.device, precision: engine.precision, syncBn, gradientDtype },
    ...{ model, batchSize, steps, rounds, rows },
    ratios: Object.fromEntries(recipe.ranks.map((ranks) => [ranks, ratioOf(rate(OURS, ranks), rate(DDP, ranks))])),
  };
}

const text = ({ imagesPerSecond, waitedMs }: ScaleRun) =>
  `${imagesPerSecond.toFixed(1)} images/s${waitedMs === null ? '' : `, ${waitedMs.toFixed(1)} ms a step waiting`}`;

/** Runs one rank in this process. Where other ranks belong to it, each of them calls this. */
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
  // Waiting is visible on a CPU only: on a GPU sums run beside the host, and in a replayed step without it.
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

/** Fields of the record of peer_ddp.py and peer_train.py that are read here. */
interface PeerScale {
  images_per_s_wall: number;
}

/** Runs the peer. On one rank it is the tuned step, which needs no DDP. */
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
