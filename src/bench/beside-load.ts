/**
 * `bench step --beside-load N`: our step and the peer's, on a quiet machine and beside N busy programs, run in turns.
 */
import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { EarlybirdError } from '../errors';
import { ratioOf, type Spread, spread } from '../measure';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { besideBusy } from './busy';
import { runPeer, settlePeer } from './peer';
import { OURS, type Runs, takeTurns } from './rounds';
import type { StepRecord } from './step';
import { timeApart } from './step-peer';

export interface LoadSystem {
  dtype: string;
  /** Images per second; null where no run succeeded. */
  quiet: Spread | null;
  loaded: Spread | null;
  /** Share of the rate that remains beside the busy programs, by medians. */
  left: number | null;
  failure?: string;
}

/** Effect of other busy programs on our step and on the peer's. */
export interface LoadBench {
  bench: 'beside-load';
  machine: Machine;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  /** Number of busy programs in the loaded runs. */
  busy: number;
  systems: Record<string, LoadSystem>;
  /** Ratios of our images per second to those of the peer's mode. */
  ratios: Record<string, { quiet: number | null; loaded: number | null }>;
  /** Loaded ratio of every round over the quiet ratio of the medians, by mode; 1 where load slows both alike. */
  ratioOfRatios: Record<string, Spread | null>;
  /** The lowest of these over all rounds, against the fastest mode of the peer under the same load. */
  worst: number | null;
}

/** The runs of one system. */
export interface LoadRuns {
  quiet: Runs<StepRecord>;
  loaded: Runs<StepRecord>;
}

/** Times both. Throws ERR_USAGE for a folder without the peer, and beside --ticket or --low-precision. */
export async function benchBesideLoad(asked: BenchStepRecipe, options: RunOptions = {}): Promise<LoadBench> {
  if (asked.ticket !== undefined || asked.lowPrecision) {
    const other = asked.lowPrecision ? '--low-precision' : '--ticket';
    throw new EarlybirdError('ERR_USAGE', `--beside-load times the step of a dense network: leave out ${other}.`);
  }
  const recipe = settlePeer(asked, 'peer_train.py', options.observer?.log);
  const busy = recipe.besideLoad!;
  const modes: readonly string[] = recipe.peer === undefined ? [] : recipe.modes;
  const text = ({ imagesPerSecond }: StepRecord) => `${imagesPerSecond.toFixed(1)} images/s`;
  const programs = [
    { system: OURS, run: () => timeApart(recipe, options), isPeer: false },
    ...modes.map((mode) => ({ system: mode, run: () => runPeer(recipe, mode, options), isPeer: true })),
  ];
  const turns = programs.flatMap(({ system, run, isPeer }) => [
    { system, text, run, isPeer },
    { system: loadedName(system), text, run: () => besideBusy(busy, run), isPeer },
  ]);
  const runs = await takeTurns<StepRecord>(turns, recipe.rounds, options);
  return summarise(
    await describeMachine(openEngine(recipe), options.commandLine),
    recipe,
    Object.fromEntries(
      programs.map(({ system }) => [system, { quiet: runs[system]!, loaded: runs[loadedName(system)]! }]),
    ),
  );
}

const loadedName = (system: string) => `${system}, loaded`;
const rates = ({ runs }: Runs<StepRecord>) => runs.map(({ imagesPerSecond }) => imagesPerSecond);

export function summarise(
  machine: Machine,
  recipe: Pick<BenchStepRecipe, 'model' | 'batchSize' | 'steps' | 'rounds' | 'besideLoad'>,
  runs: Readonly<Record<string, LoadRuns>>,
): LoadBench {
  const { model, batchSize, steps, rounds, besideLoad: busy = 0 } = recipe;
  const systems: LoadBench['systems'] = {};
  for (const [name, { quiet, loaded }] of Object.entries(runs)) {
    const [before, beside] = [spread(rates(quiet)), spread(rates(loaded))];
    const failure = quiet.failure ?? loaded.failure;
    systems[name] = {
      dtype: quiet.runs[0]?.dtype ?? '-',
      quiet: before,
      loaded: beside,
      left: ratioOf(beside, before),
      ...(failure === undefined ? {} : { failure }),
    };
  }
  const { [OURS]: own, ...peers } = systems;
  const ours = rates(runs[OURS]!.loaded);
  const ratios: LoadBench['ratios'] = {};
  const ratioOfRatios: LoadBench['ratioOfRatios'] = {};
  for (const [mode, peer] of Object.entries(peers)) {
    const quiet = ratioOf(own!.quiet, peer.quiet);
    ratios[mode] = { quiet, loaded: ratioOf(own!.loaded, peer.loaded) };
    const theirs = rates(runs[mode]!.loaded);
    ratioOfRatios[mode] =
      quiet === null ? null : spread(theirs.slice(0, ours.length).map((rate, i) => ours[i]! / rate / quiet));
  }
  return {
    bench: 'beside-load',
    machine,
    ...{ model, batchSize, steps, rounds, busy, systems, ratios, ratioOfRatios },
    worst: worstOf(runs),
  };
}

/**
 * Our lowest loaded ratio over our median quiet one, against the fastest mode of each round and load, as a user would
 * choose it.
 */
function worstOf(runs: Readonly<Record<string, LoadRuns>>): number | null {
  const { [OURS]: ours, ...peers } = runs;
  const overFastest = (of: keyof LoadRuns) =>
    spread(
      rates(ours![of]).flatMap((rate, round) => {
        const theirs = Object.values(peers).flatMap((peer) => rates(peer[of])[round] ?? []);
        return theirs.length > 0 ? [rate / Math.max(...theirs)] : [];
      }),
    );
  const [quiet, loaded] = [overFastest('quiet'), overFastest('loaded')];
  return quiet && loaded && loaded.low / quiet.median;
}
