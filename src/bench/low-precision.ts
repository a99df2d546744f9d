/** `bench step --low-precision`: what quantising costs, beside our own full precision, taking turns in one process. */

import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { EarlybirdError } from '../errors';
import { orderOf, type Spread, spread } from '../measure';
import type { NumberFormats } from '../native/types/number-formats';
import type { Precision } from '../native/types/pass';
import { EIGHT_BITS, formatsOf } from '../recipe/precision';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { type StepRecord, timeStep } from './step';

const LOW = formatsOf(EIGHT_BITS);

const SYSTEMS = {
  fp32: { precision: 'fp32', formats: undefined },
  bf16: { precision: 'bf16', formats: undefined },
  'low-fp32': { precision: 'fp32', formats: LOW },
  'low-bf16': { precision: 'bf16', formats: LOW },
} as const satisfies Record<string, { precision: Precision; formats: NumberFormats | undefined }>;

type System = keyof typeof SYSTEMS;

export interface LowPrecisionBench {
  machine: Machine;
  date: string;
  model: string;
  batchSize: number;
  steps: number;
  rounds: number;
  /** `low-*`: block floating point computed with at that precision. Milliseconds of a step, over the runs. */
  systems: Record<System, { runs: StepRecord[]; stepMs: Spread }>;
  /** Step time over step time, medians. The first two are of low precision at bf16, the last of low precision at fp32. */
  ratios: { lowPrecisionOverBf16: number; lowPrecisionOverFp32: number; lowPrecisionFp32OverFp32: number };
}

export async function benchLowPrecision(recipe: BenchStepRecipe, options: RunOptions = {}): Promise<LowPrecisionBench> {
  if (recipe.peer !== undefined && recipe.peer !== 'none')
    throw new EarlybirdError('ERR_USAGE', '--low-precision times this program alone: leave out --peer.');
  const names = Object.keys(SYSTEMS) as System[];
  const runs = Object.fromEntries(names.map((name) => [name, [] as StepRecord[]])) as Record<System, StepRecord[]>;
  for (let round = 0; round < recipe.rounds; round++) {
    for (const name of orderOf(names, round)) {
      const { precision, formats } = SYSTEMS[name];
      const record = await timeStep({ ...recipe, precision }, options, formats);
      runs[name].push({ ...record, system: name });
      options.observer?.log?.(`round ${round + 1}/${recipe.rounds} ${name}: ${record.stepMs.toFixed(1)} ms a step`);
    }
  }
  const summary = (name: System) => ({
    runs: runs[name],
    stepMs: spread(runs[name].map(({ stepMs }) => stepMs))!,
  });
  const systems = Object.fromEntries(names.map((name) => [name, summary(name)])) as LowPrecisionBench['systems'];
  const over = (a: System, b: System) => systems[a].stepMs.median / systems[b].stepMs.median;
  const { model, batchSize, steps, rounds } = recipe;
  return {
    machine: await describeMachine(openEngine(recipe), options.commandLine),
    date: new Date().toISOString().slice(0, 10),
    model,
    batchSize,
    steps,
    rounds,
    systems,
    ratios: {
      lowPrecisionOverBf16: over('low-bf16', 'bf16'),
      lowPrecisionOverFp32: over('low-bf16', 'fp32'),
      lowPrecisionFp32OverFp32: over('low-fp32', 'fp32'),
    },
  };
}
