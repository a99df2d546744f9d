/**
 * The meter of a run: windows around its phases, on whatever the machine can be read by. One window is open all the time; `lap`
 * closes it, opens the next, and tells what went into it and into the windows within. A run takes a lap an epoch and writes it
 * on that epoch's line of metrics.jsonl, so that energy.json is the sum of lines: what a kill loses is repeated, and is counted once.
 */
import { rm } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { places } from '../native/places';
import type { NativeAddon } from '../native/types/addon';
import type { EnergyReading, EnergySource, NativeMeter } from '../native/types/energy';
import type { RunDirectory } from '../run/directory';
import type { EnergyTotals } from '../run/metrics';
import { ENERGY_FILE, type EnergyFile, mergeSources } from './file';
import { addTotals, totalOf, WHOLE } from './totals';

export interface EnergyWish {
  energy?: 'auto' | 'off';
  watts?: number | undefined;
  idleSeconds?: number;
}

export class RunMeter {
  private spent: EnergyTotals = {};

  /** Parts that could be read at first, and the board of a device that is one: a sum without any of them is incomplete. */
  private readonly needed: Set<string>;

  private constructor(
    private readonly native: NativeMeter | null,
    readonly idle: EnergyFile['idle'],
    device = 'cpu',
  ) {
    const readable = this.sources().flatMap(({ part, method }) => (method === null || part === 'given' ? [] : part));
    this.needed = new Set([...(device === 'cpu' ? [] : ['gpu']), ...readable]);
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
      return new RunMeter(native, idle, device);
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
    this.add(name, await this.native.end(name));
    return result;
  }

  /** What was spent since the last lap, by window; null where nothing is metered. */
  async lap(): Promise<EnergyTotals | null> {
    if (!this.native) return null;
    this.add(WHOLE, await this.native.end(WHOLE));
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

  private add(name: string, reading: EnergyReading): void {
    this.spent = addTotals(this.spent, { [name]: totalOf(reading, this.needed) });
  }
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
    sources: mergeSources(before?.sources ?? [], sources),
    idle: meter.idle.seconds > 0 || !before ? meter.idle : before.idle,
    phases: all,
  };
  await directory.writeJson(ENERGY_FILE, file);
}
