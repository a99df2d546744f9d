/**
 * The meter of a run: windows around its phases, on whatever the machine can be read by. One window is open all the time; `lap`
 * closes it, opens the next, and tells what went into it and into the windows within. A run takes a lap an epoch and writes it
 * on that epoch's line of metrics.jsonl, so that energy.json is the sum of lines: what a kill loses is repeated, and is counted once.
 */
import { rm } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { EnergyReading, EnergySource, NativeMeter } from '../native/energy';
import type { NativeAddon } from '../native/types';
import type { EnergyTotal, EnergyTotals, EpochMetrics } from '../report/input';
import { ENERGY_FILE, type EnergyFile } from './energy-file';
import type { RunDirectory } from './run-directory';

export interface EnergyWish {
  energy?: 'auto' | 'off';
  watts?: number | undefined;
  idleSeconds?: number;
}

/** The window around everything, in EnergyTotals. */
export const WHOLE = 'whole';
/** Windows of an epoch whose sum is its `joules`. */
const EPOCH_WINDOWS = ['detect', 'train', 'evaluate', 'average'];

export class RunMeter {
  private spent: EnergyTotals = {};

  /** Parts that could be read at first: one that fails later makes a sum incomplete. */
  private readonly readable: Set<string>;

  private constructor(
    private readonly native: NativeMeter | null,
    readonly idle: EnergyFile['idle'],
  ) {
    this.readable = new Set(this.sources().flatMap(({ part, method }) => (method === null ? [] : part)));
  }

  /** Meters nothing: every window gives what its work gives. */
  static off(): RunMeter {
    return new RunMeter(null, { seconds: 0, watts: null });
  }

  /** Opens what can be read, measures the idle machine where that is asked for, and starts the first lap. */
  static async open(
    { addon, device }: { addon: NativeAddon; device: string },
    { energy = 'auto', watts, idleSeconds = 0 }: EnergyWish,
    signal?: AbortSignal,
  ): Promise<RunMeter> {
    if (energy === 'off') return RunMeter.off();
    const native = await addon.createMeter({ ...places(), device, ...(watts === undefined ? {} : { watts }) });
    try {
      const idle = await idlePower(native, idleSeconds, signal);
      await native.begin(WHOLE);
      return new RunMeter(native, idle);
    } catch (error) {
      native.dispose();
      throw error;
    }
  }

  /** Does `work` inside a window of this name, which counts only where the work succeeds. */
  async metered<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    if (!this.native) return work();
    await this.native.begin(name);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      // What failed is what matters, not that the device may not answer any more.
      await this.native.end(name).catch(() => {});
      throw error;
    }
    this.add(await this.native.end(name));
    return result;
  }

  /** What was spent since the last lap, by window; null where nothing is metered. */
  async lap(): Promise<EnergyTotals | null> {
    if (!this.native) return null;
    this.add(await this.native.end(WHOLE));
    await this.native.begin(WHOLE);
    const { spent } = this;
    this.spent = {};
    return spent;
  }

  /** As they are now: other processes may have come. */
  sources(): EnergySource[] {
    return this.native?.sources() ?? [];
  }

  dispose(): void {
    this.native?.dispose();
  }

  private add({ name, seconds, joules, parts }: EnergyReading): void {
    const lost = parts.find((part) => part.joules === null && this.readable.has(part.part));
    const estimated = parts.some(({ part }) => part === 'given');
    const total = { windows: 1, seconds, joules: lost && !estimated ? null : joules };
    const reason = lost && `${estimated ? 'partly estimated: ' : ''}${lost.reason}`;
    this.spent = addTotals(this.spent, { [name]: { ...total, ...(reason ? { reason } : {}) } });
  }
}

/** Where a machine keeps its counters in another place than usual, as containers that mount them do. */
export function places(): { nvml?: string; powercap?: string } {
  const { EARLYBIRD_NVML: nvml, EARLYBIRD_POWERCAP: powercap } = process.env;
  return { ...(nvml ? { nvml } : {}), ...(powercap ? { powercap } : {}) };
}

async function idlePower(native: NativeMeter, seconds: number, signal?: AbortSignal): Promise<EnergyFile['idle']> {
  if (seconds === 0) return { seconds: 0, watts: null };
  await native.begin('idle');
  await setTimeout(seconds * 1000, undefined, signal ? { signal } : {}).catch((error) => {
    throw signal?.aborted ? signal.reason : error;
  });
  const { seconds: measured, joules, parts } = await native.end('idle');
  // Watts that the user gave say nothing of an idle machine.
  const given = parts.some(({ part }) => part === 'given');
  return { seconds: measured, watts: joules === null || given ? null : joules / measured };
}

/** Sums by window; one that could not be read leaves no sum. */
export function addTotals(a: EnergyTotals, b: EnergyTotals): EnergyTotals {
  const sum = { ...a };
  for (const [name, more] of Object.entries(b)) {
    const before = sum[name];
    if (!before) {
      sum[name] = more;
      continue;
    }
    const reason = before.reason ?? more.reason;
    sum[name] = {
      windows: before.windows + more.windows,
      seconds: before.seconds + more.seconds,
      joules: before.joules === null || more.joules === null ? null : before.joules + more.joules,
      ...(reason ? { reason } : {}),
    };
  }
  return sum;
}

/** Joules of an epoch: of its passes and detection; null where one of them could not be read, or nothing was metered. */
export function epochJoules(spent: EnergyTotals | null): number | null {
  const windows = EPOCH_WINDOWS.flatMap((name) => spent?.[name] ?? []);
  if (windows.length === 0 || windows.some(({ joules }) => joules === null)) return null;
  return windows.reduce((sum, { joules }) => sum + joules!, 0);
}

/** Joules of epochs; null unless each was metered. */
export function joulesOf(metrics: readonly Pick<EpochMetrics, 'joules'>[]): number | null {
  if (metrics.length === 0 || metrics.some(({ joules }) => joules === null)) return null;
  return metrics.reduce((sum, { joules }) => sum + joules!, 0);
}

/** What a run's phase took: all its epochs and what came after the last one. Epochs that were not metered leave no sum. */
export function phaseTotals(
  phase: string,
  metrics: readonly Pick<EpochMetrics, 'energy'>[],
  rest: EnergyTotals = {},
): EnergyFile['phases'] {
  const totals = [...metrics.map(({ energy }) => energy ?? {}), rest].reduce(addTotals, {});
  const missing = metrics.filter(({ energy }) => !energy).length;
  const reason = `${missing} of ${metrics.length} epochs were not metered`;
  const { [WHOLE]: whole, ...parts } = totals;
  const named = Object.entries(parts).map(([name, total]): [string, EnergyTotal] => [`${phase}/${name}`, total]);
  return Object.fromEntries(
    [...(whole ? [[phase, whole] as const] : []), ...named].map(([path, total]) => [
      path,
      missing > 0 ? { ...total, joules: null, reason } : total,
    ]),
  );
}

/** Writes energy.json with this phase new and all others as they are; no file where there is nothing to say. */
export async function writeEnergy(
  directory: RunDirectory,
  meter: RunMeter,
  phase: string,
  phases: EnergyFile['phases'],
): Promise<void> {
  const before = await directory.readJson<EnergyFile>(ENERGY_FILE);
  const others = Object.entries(before?.phases ?? {}).filter(([path]) => path.split('/')[0] !== phase);
  const all = { ...Object.fromEntries(others), ...phases };
  if (Object.keys(all).length === 0) return rm(directory.file(ENERGY_FILE), { force: true });
  const sources = meter.sources();
  const file: EnergyFile = {
    version: 1,
    sources: sources.length > 0 || !before ? sources : before.sources,
    idle: meter.idle.seconds > 0 || !before ? meter.idle : before.idle,
    phases: all,
  };
  await directory.writeJson(ENERGY_FILE, file);
}
