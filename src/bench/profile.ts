/** `bench profile`: the kernels that a training step spends its time in, and the roofline of this machine. */
import { type Engine, openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { type Spread, spread } from '../measure';
import type { KernelTable } from '../native/types/kernels';
import type { KernelTime } from '../native/types/number-formats';
import type { Precision } from '../native/types/pass';
import type { KernelUse, StepProfile } from '../native/types/profile';
import type { Recipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { byFamily, type FamilyUse } from './kernel-families';
import { bytesOf, type Ceilings, normBytesOf, type Roofline, rooflineOf, type StepWork, workOf } from './roofline';
import { timeSteps } from './step';
import { createTraining, LR } from './workload';

/** Breakdown of the time of a training step, and its roofline. */
export interface ProfileBench {
  bench: 'profile';
  machine: Machine;
  model: string;
  batchSize: number;
  device: string;
  precision: Precision;
  /** The ticket that was profiled; null for the dense network. */
  ticket: { ratio: number; roundTo: Recipe<'benchProfile'>['roundTo'] } | null;
  steps: number;
  /** True where the ceilings were measured at small sizes, so that the figures are not for a table. */
  quick: boolean;
  /** Milliseconds of a step without the profiler, over three windows. */
  stepMs: Spread;
  /** Source of the figures. kernels: of the GPU. operators: on the host. */
  source: StepProfile['source'];
  /** Milliseconds and calls of one step, under the profiler. */
  families: (FamilyUse & { share: number })[];
  top: KernelUse[];
  kernels: number;
  launches: number;
  /** Time of one step under the profiler that no kernel or operator accounts for. */
  idleMs: number;
  gaps: number;
  longestGapMs: number;
  /** Kernel that computed each class of convolutions; empty on a GPU. */
  convolutions: KernelTable;
  ceilings: { copyGBps: number; matmulTflops: number; matmulPrecision: Precision };
  work: StepWork & { bytes: number };
  roofline: Roofline;
  /** BatchNorm with the operations fused into it: its bytes, and their rate under the profiler over that of a copy. */
  normalisation: { bytes: number; copyShare: number | null };
  /** Times of the roofline over the measured step. */
  shares: { arithmetic: number; traffic: number; roofline: number };
}

const WINDOWS = 3;
/** Sizes of a copy that no cache holds, and of products large enough for the full rate. */
const SIZES = {
  cuda: { copyBytes: 4 * 2 ** 30, side: 8192, repetitions: 20 },
  cpu: { copyBytes: 256 * 2 ** 20, side: 2048, repetitions: 10 },
  quick: { copyBytes: 4 * 2 ** 20, side: 256, repetitions: 3 },
};

/** Profiles the training step and measures the ceilings of the device. */
export async function benchProfile(recipe: Recipe<'benchProfile'>, options: RunOptions = {}): Promise<ProfileBench> {
  const { signal, observer } = options;
  const engine = openEngine(recipe, observer?.log);
  const { device, precision } = engine;
  const { model: name, batchSize, steps, warmup, quick, top, ticket: ratio, roundTo } = recipe;
  const ceilings = await measureCeilings(engine, quick, signal);
  observer?.log?.(
    `ceilings: copy ${ceilings.copyGBps.toFixed(1)} GB/s, ${ceilings.matmulPrecision} product ${ceilings.matmulTflops.toFixed(2)} TFLOP/s`,
  );
  using training = await createTraining(engine, recipe, options);
  const { dataset, model, trainer } = training;
  await timeSteps(training, recipe, { steps: warmup, epoch: 0 }, signal);
  const windows: number[] = [];
  for (let epoch = 1; epoch <= WINDOWS; epoch++)
    windows.push((await timeSteps(training, recipe, { steps, epoch }, signal)).stepMs);
  const profile = await trainer.profile({ dataset, lr: LR, batchSize, epoch: WINDOWS + 1, steps, signal });
  const work = workOf(model.describe(), batchSize, precision);
  const stepMs = spread(windows)!;
  const steady = perStep(profile, top);
  return {
    bench: 'profile',
    machine: await describeMachine(engine, options.commandLine),
    ...{ model: name, batchSize, device, precision, steps, quick, stepMs },
    ticket: ratio === undefined ? null : { ratio, roundTo },
    ...steady,
    convolutions: training.kernels,
    ceilings,
    normalisation: normalisationOf(steady.families, normBytesOf(model.describe(), batchSize, precision), ceilings),
    work: { ...work, bytes: bytesOf(work) },
    ...against(work, stepMs.median, { copy: ceilings.copyGBps * 1e9, matmul: ceilings.matmulTflops * 1e12 }),
  };
}

/** Converts a profile of many steps to that of one. */
export function perStep(
  { source, kernels, launches, span, busy, gaps, longestGap, pass }: StepProfile,
  top: number,
): Pick<ProfileBench, 'source' | 'families' | 'top' | 'kernels' | 'launches' | 'idleMs' | 'gaps' | 'longestGapMs'> {
  const { steps } = pass;
  const each = kernels.map((use) => ({ ...use, calls: use.calls / steps, milliseconds: use.milliseconds / steps }));
  const total = each.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return {
    source,
    families: byFamily(each).map((use) => ({ ...use, share: total > 0 ? use.milliseconds / total : 0 })),
    top: each.slice(0, top),
    kernels: each.reduce((sum, { calls }) => sum + calls, 0),
    launches: launches / steps,
    idleMs: Math.max(0, span - busy) / steps,
    gaps: gaps / steps,
    longestGapMs: longestGap,
  };
}

export function against(work: StepWork, stepMs: number, ceilings: Ceilings): Pick<ProfileBench, 'roofline' | 'shares'> {
  const roofline = rooflineOf(work, ceilings);
  const shares = {
    arithmetic: roofline.arithmeticMs / stepMs,
    traffic: roofline.trafficMs / stepMs,
    roofline: roofline.stepMs / stepMs,
  };
  return { roofline, shares };
}

/**
 * Bytes of normalisation, and their rate over that of a copy; null where the profile shows no normalisation, or where
 * convolutions do part of it.
 */
export function normalisationOf(
  families: readonly FamilyUse[],
  bytes: number,
  { copyGBps }: Pick<ProfileBench['ceilings'], 'copyGBps'>,
): ProfileBench['normalisation'] {
  const use = families.find(({ family }) => family === 'normalisation');
  const joined = families.some(({ family }) => family === 'normalising convolution');
  return { bytes, copyShare: use && !joined ? bytes / use.milliseconds / 1e6 / copyGBps : null };
}

async function measureCeilings({ addon, device, precision }: Engine, quick: boolean, signal: AbortSignal | undefined) {
  const size = quick ? SIZES.quick : device === 'cpu' ? SIZES.cpu : SIZES.cuda;
  return ceilingsOf(await addon.benchCeilings({ device, ...size, ...(signal && { signal }) }), precision);
}

/** Ceilings for a precision. A CPU without bfloat16 instructions multiplies in fp32 whatever the precision. */
export function ceilingsOf(times: readonly KernelTime[], precision: Precision): ProfileBench['ceilings'] {
  const of = (kernel: KernelTime['kernel'], name: string) =>
    times.find((time) => time.kernel === kernel && time.name === name);
  const copy = of('copy', 'fp32')!;
  const matmulPrecision = of('matmul', precision) ? precision : 'fp32';
  const { shape, median } = of('matmul', matmulPrecision)!;
  return {
    copyGBps: copy.bytes / copy.median / 1e6,
    matmulTflops: (2 * shape.reduce((a, b) => a * b)) / median / 1e9,
    matmulPrecision,
  };
}
