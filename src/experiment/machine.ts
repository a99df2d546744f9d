/** The machine a benchmark ran on: kept in every result, because figures of two machines are no ratio. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as os from 'node:os';
import { loadedVariant } from '../native/addon';
import type { GpuState } from '../native/energy';
import type { NativeAddon } from '../native/types';
import { packageVersion } from './provenance';

export interface Machine {
  /** Of the hardware alone: the same in every run on one machine. */
  fingerprint: string;
  cpu: {
    model: string;
    cores: number;
    memoryGiB: number;
    /** cpufreq's, for example "performance"; null where it is not readable, as in most virtual machines. */
    governor: string | null;
    /** Of the first core as the benchmark ended; null where the system does not tell. */
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
  /** What its driver tells; null where it cannot be asked. */
  state: GpuState | null;
  /** Why there is no state. */
  reason?: string;
}

type Hardware = Pick<Machine, 'cpu' | 'gpu'>;
/** An addon that was built before it could be asked for the state of a GPU has no such method. */
type Engine = { addon: NativeAddon & { gpuState?: (device: string) => Promise<GpuState> }; device: string };

/** Asked for after the work, when clocks and temperature are those of a busy machine. Without an engine nothing is said of LibTorch. */
export async function describeMachine(
  engine: Engine | null,
  commandLine = process.argv.slice(1).join(' '),
): Promise<Machine> {
  const [first] = os.cpus();
  const hardware: Hardware = {
    cpu: {
      model: first?.model.trim() ?? 'unknown',
      cores: os.cpus().length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      governor: readLine('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
      mhz: first?.speed || null,
    },
    gpu: engine && (await gpuOf(engine)),
  };
  const variant = engine && loadedVariant();
  return {
    fingerprint: fingerprintOf(hardware),
    ...hardware,
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

/** A slice of a board (MIG) is another machine than the whole of it. Clocks, limits and versions may change on one machine. */
export function fingerprintOf({ cpu, gpu }: Hardware): string {
  const parts = [
    cpu.model,
    cpu.cores,
    cpu.memoryGiB,
    gpu && [gpu.name, gpu.memoryGiB, gpu.capability, gpu.state?.mig ?? false],
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

async function gpuOf({ addon, device }: Engine): Promise<MachineGpu | null> {
  const found = addon.runtime().cudaDevices.find(({ index }) => device === `cuda:${index}`);
  if (!found) return null;
  const gpu = { name: found.name, memoryGiB: Math.round(found.memoryBytes / 2 ** 30), capability: found.capability };
  if (!addon.gpuState) return { ...gpu, state: null, reason: 'this addon cannot ask the driver' };
  try {
    return { ...gpu, state: await addon.gpuState(device) };
  } catch (error) {
    return { ...gpu, state: null, reason: (error as Error).message };
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

/** Hardware, state and versions: what a reader needs beside a figure. */
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
