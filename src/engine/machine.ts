/** The machine a benchmark ran on, part of every result: figures of two machines cannot be compared. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as os from 'node:os';
import { loadedVariant } from '../native/addon';
import { places } from '../native/places';
import type { NativeAddon } from '../native/types/addon';
import type { GpuState } from '../native/types/energy';
import { packageVersion } from '../package';

export interface Machine {
  /** Hash of the hardware alone: the same in every run on one machine. */
  fingerprint: string;
  cpu: {
    model: string;
    cores: number;
    memoryGiB: number;
    /** cpufreq's, for example "performance"; null where it is not readable, as in most virtual machines. */
    governor: string | null;
    /** Clock of the first core as the benchmark ended; null where unknown. */
    mhz: number | null;
  };
  kernel: string;
  /** null on a CPU. */
  gpu: MachineGpu | null;
  versions: { earlybird: string; node: string; libtorch: string | null; cuda: string | null };
  threads: number | null;
  date: string;
  commandLine: string;
}

export interface MachineGpu {
  name: string;
  memoryGiB: number;
  capability: string;
  /** Read from its driver; null where that is impossible. */
  state: GpuState | null;
  /** Why there is no state. */
  reason?: string;
}

type Hardware = Pick<Machine, 'cpu' | 'gpu'>;
type Engine = { addon: NativeAddon; device: string };

/** The same in every run on one machine, but for the clock. */
function hardwareOf(engine: Engine | null): Hardware {
  const [first] = os.cpus();
  const found = engine?.addon.runtime().cudaDevices.find(({ index }) => engine.device === `cuda:${index}`);
  return {
    cpu: {
      model: first?.model.trim() ?? 'unknown',
      cores: os.cpus().length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      governor: readLine('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
      mhz: first?.speed || null,
    },
    gpu: found
      ? {
          name: found.name,
          memoryGiB: Math.round(found.memoryBytes / 2 ** 30),
          capability: found.capability,
          state: null,
        }
      : null,
  };
}

/** Fingerprint of the machine that an engine computes on. */
export function machineFingerprint(engine: Engine | null): string {
  return fingerprintOf(hardwareOf(engine));
}

/** Call it after the work, when clocks and temperature are those of a busy machine. Without an engine LibTorch is left out. */
export async function describeMachine(
  engine: Engine | null,
  commandLine = process.argv.slice(1).join(' '),
): Promise<Machine> {
  const { cpu, gpu } = hardwareOf(engine);
  const variant = engine && loadedVariant();
  return {
    fingerprint: fingerprintOf({ cpu, gpu }),
    cpu,
    gpu: engine && gpu && { ...gpu, ...(await stateOf(engine)) },
    kernel: os.release(),
    versions: {
      earlybird: packageVersion(),
      node: process.version,
      libtorch: engine?.addon.loaded ?? null,
      cuda: variant && variant !== 'cpu' ? variant : null,
    },
    threads: engine?.addon.runtime().threads ?? null,
    date: new Date().toISOString(),
    commandLine,
  };
}

/** Without clocks, limits and versions, which may change on one machine. A MIG slice has another name and memory than its GPU. */
export function fingerprintOf({ cpu, gpu }: Hardware): string {
  const parts = [cpu.model, cpu.cores, cpu.memoryGiB, gpu && [gpu.name, gpu.memoryGiB, gpu.capability]];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

async function stateOf({ addon, device }: Engine): Promise<Pick<MachineGpu, 'state' | 'reason'>> {
  try {
    const { nvml } = places();
    return { state: await addon.gpuState(device, nvml ? { nvml } : {}) };
  } catch (error) {
    return { state: null, reason: (error as Error).message };
  }
}

function readLine(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    return null;
  }
}

/** The hardware in a few words. */
export function machineName({ cpu, gpu }: Hardware): string {
  const host = `${cpu.model}, ${cpu.cores} cores, ${cpu.memoryGiB} GiB`;
  return gpu ? `${gpu.name} (${gpu.memoryGiB} GiB${gpu.state?.mig ? ', a MIG slice' : ''}) on ${host}` : host;
}

/** Hardware, state and versions, to print beside a figure. */
export function machineText(machine: Machine): string {
  const { cpu, gpu, kernel, versions, threads } = machine;
  const state = gpu?.state;
  const known = (value: number | null | undefined, unit: string) => (value == null ? '-' : `${value} ${unit}`);
  return [
    `machine ${machine.fingerprint}: ${machineName(machine)}`,
    `  Linux ${kernel}, governor ${cpu.governor ?? '-'}, clock ${known(cpu.mhz, 'MHz')}${threads === null ? '' : `, ${threads} threads`}`,
    ...(state
      ? [
          `  driver ${state.driver}, clocks ${known(state.clocks.sm, 'MHz')} of ${known(state.clocks.maxSm, 'MHz')}, memory ` +
            `${known(state.clocks.memory, 'MHz')}, ${known(state.temperatureC, 'C')}, limit ${known(state.powerLimitWatts, 'W')}, ` +
            `MIG ${state.mig ? 'on' : 'off'}, other processes ${state.otherProcesses}`,
        ]
      : gpu
        ? [`  state of the GPU unknown: ${gpu.reason}`]
        : []),
    `  ${Object.entries(versions)
      .filter(([, version]) => version !== null)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}, ${machine.date}`,
  ].join('\n');
}

export function isMachine(value: unknown): value is Machine {
  const { fingerprint, cpu, gpu, versions, date } = (value ?? {}) as Partial<Machine>;
  return (
    typeof fingerprint === 'string' &&
    typeof cpu?.model === 'string' &&
    typeof versions === 'object' &&
    versions !== null &&
    typeof date === 'string' &&
    (gpu === null || typeof gpu?.name === 'string')
  );
}
