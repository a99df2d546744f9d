import type { NativeHandle } from './handle';

/**
 * Part of the machine. gpu: the whole board. cpu: the processor's package. dram: its memory. given: watts that the user
 * gave.
 */
export type EnergyPart = 'gpu' | 'cpu' | 'dram' | 'given';

/**
 * Method of reading. counter: differences of an energy counter; sampled: power integrated over time; estimated: watts
 * that the user gave.
 */
export type EnergyMethod = 'counter' | 'sampled' | 'estimated';

/** Energy of one part in one window. */
export interface EnergyValue {
  part: EnergyPart;
  /**
   * Joules; null where nothing could be read, with the reason in `reason`. With a figure, `reason` says why it is
   * coarse.
   */
  joules: number | null;
  method: EnergyMethod | null;
  reason?: string;
  /** With several ranks, the host that spent the energy. */
  host?: string;
}

/** A window between {@link NativeMeter.begin} and {@link NativeMeter.end}. */
export interface EnergyReading {
  name: string;
  seconds: number;
  /** Sum of all parts that were read; null where none was. */
  joules: number | null;
  parts: EnergyValue[];
}

/** A counter, or the reason why a part has none. */
export interface EnergySource {
  part: EnergyPart;
  method: EnergyMethod | null;
  /** Name of the counter, for example "NVML counter of NVIDIA H200 at 0000:18:00.0". */
  name: string;
  reason?: string;
  /** Limits of the figures, such as MIG or other processes on the board. */
  notes: string[];
}

/** Options of {@link NativeAddon.createMeter}. */
export interface MeterOptions {
  /** Device that computes; "cpu" reads no GPU. */
  device: string;
  /** Watts assumed where nothing can be read; such figures are flagged "estimated". */
  watts?: number;
  /** Path of NVML instead of the system's. */
  nvml?: string;
  /** Folder of the powercap tree instead of /sys/class/powercap. */
  powercap?: string;
  /** The GPU to read instead of the device's own: for tests on machines without one. */
  pciBusId?: string;
}

/** Measures energy in named windows. */
export interface NativeMeter extends NativeHandle {
  sources(): EnergySource[];
  /** Opens a window once the device is idle. Windows may be nested; a name is open once at a time. */
  begin(name: string): Promise<void>;
  /** Closes the innermost window, which must be of this name, once the device is idle. */
  end(name: string): Promise<EnergyReading>;
}

/** State of a GPU, as its driver reports it. */
export interface GpuState {
  name: string;
  pciBusId: string;
  driver: string;
  temperatureC: number | null;
  powerLimitWatts: number | null;
  /** Clock rates, MHz. */
  clocks: { sm: number | null; memory: number | null; maxSm: number | null };
  mig: boolean;
  /** Number of other processes that compute on it. */
  otherProcesses: number;
}
