/**
 * `bench step --low-precision`: the cost of quantising, measured against our own full precision in one process, in
 * turns.
 */
import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { EarlybirdError } from '../errors';
import { ratioOf, type Spread, spread } from '../measure';
import type { Precision } from '../native/types/pass';
import { type Format, formatsOf } from '../recipe/precision';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { type Runs, takeTurns } from './rounds';
import { type StepRecord, timeStep } from './step';

const SYSTEMS = ['fp32', 'bf16', 'low-fp32', 'low-bf16'] as const;
type System = (typeof SYSTEMS)[number];

/** Training steps in low and in full precision. */
export interface LowPrecisionBench {
  machine: Machine;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  format: Format;
  /** Milliseconds of a step, over the runs. `low-*` is low precision, computed with in the format that follows. */
  systems: Record<System, Runs<StepRecord> & { stepMs: Spread }>;
  /** Ratios of step times, by medians. The first two have low precision at bf16, the last at fp32. */
  ratios: Record<'lowPrecisionOverBf16' | 'lowPrecisionOverFp32' | 'lowPrecisionFp32OverFp32', number>;
}

/** Times the training step in low and in full precision, each computed in fp32 and bf16. */
export async function benchLowPrecision(recipe: BenchStepRecipe, options: RunOptions = {}): Promise<LowPrecisionBench> {
  const { model, batchSize, steps, rounds, format = 'bfp8', ticket, peer = 'none' } = recipe;
  if (peer !== 'none')
    throw new EarlybirdError('ERR_USAGE', '--low-precision times this program alone: leave out --peer.');
  if (ticket !== undefined)
    throw new EarlybirdError('ERR_USAGE', '--low-precision times the dense network: leave out --ticket.');
  const low = formatsOf({ format });
  const run = async (system: System) => {
    const precision: Precision = system.endsWith('bf16') ? 'bf16' : 'fp32';
    const formats = system.startsWith('low-') ? low : undefined;
    return { ...(await timeStep({ ...recipe, precision }, options, formats)), system };
  };
  const text = ({ stepMs }: StepRecord) => `${stepMs.toFixed(1)} ms a step`;
  const turns = SYSTEMS.map((system) => ({ system, text, run: () => run(system) }));
  const results = await takeTurns<StepRecord>(turns, rounds, options);
  const systems = Object.fromEntries(
    Object.entries(results).map(([name, { runs }]) => [
      name,
      { runs, stepMs: spread(runs.map(({ stepMs }) => stepMs)) },
    ]),
  ) as LowPrecisionBench['systems'];
  const over = (a: System, b: System) => ratioOf(systems[a].stepMs, systems[b].stepMs)!;
  return {
    machine: await describeMachine(openEngine(recipe), options.commandLine),
    ...{ model, batchSize, steps, rounds, format, systems },
    ratios: {
      lowPrecisionOverBf16: over('low-bf16', 'bf16'),
      lowPrecisionOverFp32: over('low-bf16', 'fp32'),
      lowPrecisionFp32OverFp32: over('low-fp32', 'fp32'),
    },
  };
}
