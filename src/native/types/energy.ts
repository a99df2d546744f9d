/** What the addon tells of energy: the half of its type that cpp/energy stands behind. */
import type { NativeHandle } from './handle';

/** What energy is counted for: the board of the GPU, the processor's package, its memory, or a figure the user gave. */
export type EnergyPart = 'gpu' | 'cpu' | 'dram' | 'given';

/** counter: differences of an energy counter; sampled: power integrated over time; estimated: watts that the user gave. */
export type EnergyMethod = 'counter' | 'sampled' | 'estimated';

export interface EnergyValue {
  part: EnergyPart;
  /** null where nothing could be read: `reason` says why. With a figure, `reason` says that it is coarse, and how. */
  joules: number | null;
  method: EnergyMethod | null;
  reason?: string;
}

/** One closed window. */
export interface EnergyReading {
  name: string;
  seconds: number;
  /** Sum of all parts that were read; null where none was. Never a silent zero. */
  joules: number | null;
  parts: EnergyValue[];
}

export interface EnergySource {
  part: EnergyPart;
  method: EnergyMethod | null;
  /** What is read, for example "NVML counter of NVIDIA H200 at 0000:18:00.0". */
  name: string;
  reason?: string;
  /** What to know about the figures: MIG, other processes on the board. */
  notes: string[];
}

export interface MeterOptions {
  /** As a model's. "cpu" reads no GPU. */
  device: string;
  /** Watts to count where nothing can be read; flagged "estimated". */
  watts?: number;
  /** NVML and the powercap tree to read instead of the system's. */
  nvml?: string;
  powercap?: string;
  /** The GPU to read instead of the device's own: for tests on machines without one. */
  pciBusId?: string;
}

export interface NativeMeter extends NativeHandle {
  sources(): EnergySource[];
  /** Opens a window once the device is idle. Windows may lie in each other; a name is open once at a time. */
  begin(name: string): Promise<void>;
  /** Closes the innermost window, which must be of this name, once the device is idle. */
  end(name: string): Promise<EnergyReading>;
}

/** A GPU as its driver sees it now. */
export interface GpuState {
  name: string;
  pciBusId: string;
  driver: string;
  temperatureC: number | null;
  powerLimitWatts: number | null;
  /** MHz. */
  clocks: { sm: number | null; memory: number | null; maxSm: number | null };
  mig: boolean;
  /** Other processes that compute on it. */
  otherProcesses: number;
}
