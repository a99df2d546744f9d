/** Times our training step on random images that lie in memory as in a real run. */
import { cpus } from 'node:os';
import { type Engine, openEngine } from '../engine/device';
import type { NativeDataset } from '../native/types/dataset';
import type { KernelTable } from '../native/types/kernels';
import type { NumberFormats } from '../native/types/number-formats';
import type { NativeTrainer } from '../native/types/trainer';
import { packageVersion } from '../package';
import type { BenchStepRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { OURS } from './rounds';
import { createTraining, LR } from './workload';

/** One run of one program. */
export interface StepRecord {
  system: string;
  dtype: string;
  /** Rate over the whole timed window. */
  imagesPerSecond: number;
  stepMs: number;
  /**
   * Way in which full batches ran: as a captured step, or kernel by kernel with the reason. Absent on a CPU and for a
   * peer.
   */
  engine?: 'captured' | 'eager' | `eager: ${string}` | undefined;
  /** Kernel that computed each class of convolutions; empty on a GPU, absent for a peer. */
  kernels?: KernelTable;
  /** Largest resident memory of the process, MiB; null on a GPU. */
  residentMib: number | null;
  versions: Record<string, string | number>;
}

export async function timeStep(
  recipe: BenchStepRecipe,
  { signal, observer }: RunOptions = {},
  formats?: NumberFormats,
): Promise<StepRecord> {
  const engine = openEngine(recipe, observer?.log);
  const { addon, device, precision } = engine;
  const { warmup, steps } = recipe;
  using training = await createTraining(engine, recipe, { formats });
  await timeSteps(training, recipe, { steps: warmup, epoch: 0 }, signal);
  return {
    system: OURS,
    dtype: precision,
    ...(await timeSteps(training, recipe, { steps, epoch: 1 }, signal)),
    kernels: training.kernels,
    ...(device === 'cpu' ? { engine: undefined } : {}),
    residentMib: device === 'cpu' ? process.resourceUsage().maxRSS / 1024 : null,
    versions: { earlybird: packageVersion(), libtorch: addon.loaded, node: process.version, ...machine(engine) },
  };
}

/** Times `steps` training steps, and starts another epoch when one is used up. */
export async function timeSteps(
  { trainer, dataset }: { trainer: NativeTrainer; dataset: NativeDataset },
  { batchSize }: { batchSize: number },
  { steps: wanted, epoch: first }: { steps: number; epoch: number },
  signal?: AbortSignal,
): Promise<Pick<StepRecord, 'imagesPerSecond' | 'stepMs' | 'engine'>> {
  let [seconds, images, steps] = [0, 0, 0];
  let engine: StepRecord['engine'];
  for (let epoch = first; steps < wanted; epoch++) {
    const pass = await trainer.epoch({ dataset, lr: LR, batchSize, signal, epoch, steps: wanted - steps });
    seconds += pass.seconds;
    images += pass.images;
    steps += pass.steps;
    engine = pass.captured ? 'captured' : pass.whyEager ? `eager: ${pass.whyEager}` : 'eager';
  }
  return { imagesPerSecond: images / seconds, stepMs: (1000 * seconds) / steps, engine };
}

function machine({ addon, device }: Engine): Record<string, string | number> {
  const { threads, cpuCapability, cudaDevices } = addon.runtime();
  const gpu = cudaDevices.find(({ index }) => device === `cuda:${index}`);
  return { device: gpu?.name ?? `${cpus()[0]?.model ?? 'unknown'} (${cpuCapability})`, threads };
}
