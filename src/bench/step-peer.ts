/** `bench step`: our training step and every mode of the PyTorch peer, each in a process of its own, run in turns. */
import { KNOWN } from '../data/known';
import { runApart } from '../engine/apart';
import { openEngine, requestedDevice } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { ratioOf, type Spread, spread } from '../measure';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { runPeer, settlePeer } from './peer';
import { OURS, overBest, type Runs, takeTurns } from './rounds';
import { type StepRecord, timeStep } from './step';
import { NETWORKS } from './workload';

/** All runs of one program. */
export interface SystemSummary extends Runs<StepRecord> {
  /** Median, lowest and highest over the runs; null where none succeeded. */
  imagesPerSecond: Spread | null;
  residentMib: Spread | null;
  /** Seconds of a pass over CIFAR's training images at the median rate, for networks of 32 pixels. */
  cifarEpochSeconds?: number;
}

/** Training steps a second, ours and the peer's. */
export interface StepBench {
  machine: Machine;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  systems: Record<string, SystemSummary>;
  /** Ratios of our images per second to those of the peer's mode, by medians; null where the mode gave none. */
  ratios: Record<string, number | null>;
  /** The smallest of `ratios` except that of reference, which compares with the best that the peer can do. */
  best: number | null;
  /** Ratios of our resident memory to that of the peer's mode, by medians. */
  memoryRatios: Record<string, number | null>;
}

/**
 * Times our training step and, where there is a peer, the step of its modes. Throws ERR_USAGE for a folder without the
 * peer.
 */
export async function benchStep(asked: BenchStepRecipe, options: RunOptions = {}): Promise<StepBench> {
  const recipe = settlePeer(asked, 'peer_train.py', options.observer?.log);
  const { model, batchSize, steps, rounds } = recipe;
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const text = ({ dtype, imagesPerSecond }: StepRecord) => `${imagesPerSecond.toFixed(1)} images/s, ${dtype}`;
  const ours = () => (modes.length === 0 ? timeStep(recipe, options) : timeApart(recipe, options));
  const runs = await takeTurns<StepRecord>(
    [
      { system: OURS, text, run: ours },
      ...modes.map((mode) => ({ system: mode, text, run: () => runPeer(recipe, mode, options), isPeer: true })),
    ],
    rounds,
    options,
  );
  const { data } = NETWORKS[model];
  const systems: StepBench['systems'] = {};
  for (const [name, result] of Object.entries(runs)) {
    const rate = spread(result.runs.map(({ imagesPerSecond }) => imagesPerSecond));
    systems[name] = {
      ...result,
      imagesPerSecond: rate,
      ...(rate && data === KNOWN.cifar10 ? { cifarEpochSeconds: data.counts.train / rate.median } : {}),
      residentMib: spread(result.runs.flatMap(({ residentMib }) => residentMib ?? [])),
    };
  }
  const over = (measure: 'imagesPerSecond' | 'residentMib') =>
    Object.fromEntries(modes.map((mode) => [mode, ratioOf(systems[OURS]![measure], systems[mode]![measure])]));
  const ratios = over('imagesPerSecond');
  return {
    machine: await describeMachine(openEngine(recipe), options.commandLine),
    ...{ model, batchSize, steps, rounds, systems, ratios },
    best: overBest(ratios),
    memoryRatios: over('residentMib'),
  };
}

/** Runs one round of our own program in a process of its own. */
export async function timeApart(recipe: BenchStepRecipe, options: RunOptions): Promise<StepRecord> {
  const { systems } = await runApart<StepBench>(['bench', 'step'], ownFlags(recipe), recipe, options);
  return systems[OURS]!.runs[0]!;
}

/** The flags of one round of our own program. */
export function ownFlags(recipe: BenchStepRecipe) {
  const { model, batchSize, steps, warmup, threads, precision, seed, capture, cudnnSearch, ticket, roundTo } = recipe;
  return {
    ...{ model, batchSize, steps, warmup, threads, precision, seed, capture, cudnnSearch, ticket, roundTo },
    device: requestedDevice(recipe),
    rounds: 1,
    peer: 'none',
  };
}
