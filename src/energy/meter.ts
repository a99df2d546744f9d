/**
 * The meter of a run, which measures each phase with whatever counters this machine has. One window is always open;
 * `lap` closes it, opens the next, and returns the energy spent in it and in the windows within. A run takes one lap
 * per epoch and writes it on that epoch's line of metrics.jsonl, so that energy.json is the sum of lines: an epoch that
 * a kill loses is repeated, and counted once.
 */
import { rm } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { orDispose } from '../native/owned';
import { places } from '../native/places';
import type { NativeAddon } from '../native/types/addon';
import type { EnergyReading, EnergySource, NativeMeter } from '../native/types/energy';
import type { RunDirectory } from '../run/directory';
import type { EnergyTotals } from '../run/metrics';
import { ENERGY_FILE, type EnergyFile, mergeSources } from './file';
import { addTotals, totalOf, WHOLE } from './totals';

/** The entries of a recipe that control metering. */
export interface EnergyOptions {
  energy?: 'auto' | 'off';
  watts?: number | undefined;
  idleSeconds?: number;
}

export class RunMeter implements Disposable {
  private spent: EnergyTotals = {};
  /** Parts that could be read at first, and the GPU where it computes: a sum without any of them is incomplete. */
  private readonly needed: Set<string>;

  private constructor(
    private readonly native: NativeMeter | null,
    readonly idle: EnergyFile['idle'],
    device = 'cpu',
  ) {
    const readable = this.sources().flatMap(({ part, method }) => (method === null || part === 'given' ? [] : part));
    this.needed = new Set([...(device === 'cpu' ? [] : ['gpu']), ...readable]);
  }

  /** A meter that reads nothing. */
  static off(): RunMeter {
    return new RunMeter(null, { seconds: 0, watts: null });
  }

  /** Opens the counters, measures the idle machine where `idleSeconds` asks for it, and starts the first lap. */
  static async open(
    { addon, device }: { addon: NativeAddon; device: string },
    { energy = 'auto', watts, idleSeconds = 0 }: EnergyOptions,
    signal?: AbortSignal,
  ): Promise<RunMeter> {
    if (energy === 'off') return RunMeter.off();
    const native = await addon.createMeter({ ...places(), device, ...(watts === undefined ? {} : { watts }) });
    return orDispose(native, async () => {
      const idle = await idlePower(native, idleSeconds, signal);
      await native.begin(WHOLE);
      return new RunMeter(native, idle, device);
    });
  }

  /** Does `work` inside a window of this name, which counts only if the work succeeds. */
  async metered<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    if (!this.native) return work();
    await this.native.begin(name);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      // The caller needs the first failure, even where the device no longer answers.
      await this.native.end(name).catch(() => {});
      throw error;
    }
    this.add(name, await this.native.end(name));
    return result;
  }

  /** Energy spent since the last lap, by window; null where nothing is metered. */
  async lap(): Promise<EnergyTotals | null> {
    if (!this.native) return null;
    this.add(WHOLE, await this.native.end(WHOLE));
    await this.native.begin(WHOLE);
    const { spent } = this;
    this.spent = {};
    return spent;
  }

  /** Sources are read anew each time, as other processes may have started on the GPU. */
  sources(): EnergySource[] {
    return this.native?.sources() ?? [];
  }

  [Symbol.dispose](): void {
    this.native?.[Symbol.dispose]();
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
  // Watts that the user gave are not a reading of the idle machine.
  const given = parts.some(({ part }) => part === 'given');
  return { seconds: measured, watts: joules === null || given ? null : joules / measured };
}

/** Writes energy.json with this phase replaced and all others kept; removes the file where no phase is left. */
export async function writeEnergy(
  directory: RunDirectory,
  meter: RunMeter,
  phase: string,
  phases: EnergyTotals,
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
