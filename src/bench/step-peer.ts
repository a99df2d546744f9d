/** `bench step`: our training step and every mode of the PyTorch peer, each in a process of its own, taking turns. */

import { KNOWN } from '../data/known';
import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import type { EarlybirdError } from '../errors';
import { leastOf, orderOf, type Spread, spread } from '../measure';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { runApart, runPeer, settlePeer } from './peer';
import { type StepRecord, timeStep } from './step';
import { NETWORKS } from './workload';

/** All runs of one program. */
export interface SystemSummary {
  runs: StepRecord[];
  /** Median, lowest and highest over the runs; null where none succeeded. */
  imagesPerSecond: Spread | null;
  residentMib: Spread | null;
  /** At 32 pixels: of a pass over CIFAR's 50,000 training images at the median rate. */
  cifarEpochSeconds?: number;
  /** Why there is no figure. */
  failure?: string;
}

export interface BenchResult {
  machine: Machine;
  date: string;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  systems: Record<string, SystemSummary>;
  /** Images per second of ours over those of the peer's mode, medians; null where the mode gave none. */
  ratios: Record<string, number | null>;
  /** The least of `ratios` but that of reference: over the best the peer can do. */
  best: number | null;
  /** Resident memory of ours over that of the peer's mode, medians. */
  memoryRatios: Record<string, number | null>;
}

const OURS = 'earlybird';

export async function bench(asked: BenchStepRecipe, options: RunOptions = {}): Promise<BenchResult> {
  const recipe = settlePeer(asked, 'peer_train.py', options.observer?.log);
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const runs = new Map<string, StepRecord[]>([OURS, ...modes].map((name) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round < recipe.rounds; round++) {
    const order = orderOf([...runs.keys()], round);
    for (const system of order) {
      if (failures.has(system)) continue;
      try {
        const record = await (system === OURS
          ? runOurs(recipe, modes.length > 0, options)
          : runPeer(recipe, system, options));
        runs.get(system)!.push(record);
        options.observer?.log?.(
          `round ${round + 1}/${recipe.rounds} ${system} ${record.dtype}: ${record.imagesPerSecond.toFixed(1)} images/s`,
        );
      } catch (error) {
        const { message } = error as EarlybirdError;
        if (system === OURS || options.signal?.aborted) throw error;
        failures.set(system, message);
        options.observer?.log?.(`${system}: ${message}`);
      }
    }
  }
  return summarise(recipe, await describeMachine(openEngine(recipe), options.commandLine), runs, failures);
}

function summarise(
  { model, batchSize, steps, rounds }: BenchStepRecipe,
  machine: Machine,
  runs: Map<string, StepRecord[]>,
  failures: Map<string, string>,
): BenchResult {
  const { data } = NETWORKS[model];
  const systems: Record<string, SystemSummary> = {};
  for (const [name, records] of runs) {
    const failure = failures.get(name);
    const rate = spread(records.map(({ imagesPerSecond }) => imagesPerSecond));
    systems[name] = {
      runs: records,
      imagesPerSecond: rate,
      ...(rate && data === KNOWN.cifar10 ? { cifarEpochSeconds: data.counts.train / rate.median } : {}),
      residentMib: spread(records.flatMap(({ residentMib }) => residentMib ?? [])),
      ...(failure === undefined ? {} : { failure }),
    };
  }
  const ours = systems[OURS]!;
  const over = (measure: 'imagesPerSecond' | 'residentMib') =>
    Object.fromEntries(
      Object.entries(systems)
        .filter(([name]) => name !== OURS)
        .map(([name, system]) => {
          const [mine, theirs] = [ours[measure], system[measure]];
          return [name, mine && theirs ? mine.median / theirs.median : null];
        }),
    );
  const ratios = over('imagesPerSecond');
  return {
    machine,
    date: new Date().toISOString().slice(0, 10),
    model,
    batchSize,
    steps,
    rounds,
    systems,
    ratios,
    best: leastOf(Object.entries(ratios).flatMap(([mode, ratio]) => (mode === 'reference' ? [] : [ratio]))),
    memoryRatios: over('residentMib'),
  };
}

/** Beside a peer, in a process of its own as the peer is, so that memory and threads are comparable. */
async function runOurs(recipe: BenchStepRecipe, apart: boolean, options: RunOptions): Promise<StepRecord> {
  if (!apart) return timeStep(recipe, options);
  return (await runApart<BenchResult>(recipe, options)).systems[OURS]!.runs[0]!;
}
