/** The machine a benchmark ran on, part of every result: figures of two machines cannot be compared. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as os from 'node:os';
import { loadedVariant } from '../native/addon';
import { places } from '../native/places';
import type { NativeAddon } from '../native/types/addon';
import type { GpuState } from '../native/types/energy';
import { gitCommit, packageVersion } from '../package';
import { hostProcessor, type Processor, processorText } from './processor';

export interface Machine {
  /** Hash of the hardware alone: the same in every run on one machine. */
  fingerprint: string;
  cpu: MachineCpu;
  kernel: string;
  /** The GPU; null on a CPU. */
  gpu: MachineGpu | null;
  /** `commit`: of the program, outside a clone null, absent in results of older versions. */
  versions: {
    earlybird: string;
    commit?: string | null;
    node: string;
    libtorch: string | null;
    cuda: string | null;
  };
  threads: number | null;
  date: string;
  commandLine: string;
}

/**
 * Results of older versions lack the processor's details. A hypervisor may give one model name to several processors.
 */
export interface MachineCpu extends Partial<Processor> {
  model: string;
  cores: number;
  memoryGiB: number;
  /** Governor of cpufreq, for example "performance"; null where it is not readable, as in most virtual machines. */
  governor: string | null;
  /** Clock of the first core as the benchmark ended; null where unknown. */
  mhz: number | null;
}

export interface MachineGpu {
  name: string;
  memoryGiB: number;
  capability: string;
  /** State that the driver reports; null where it cannot be read. */
  state: GpuState | null;
  /** Reason why there is no state. */
  reason?: string;
}

type Hardware = Pick<Machine, 'cpu' | 'gpu'>;
type Engine = { addon: NativeAddon; device: string };

/** The hardware, which is the same in every run on one machine except for the clock. */
function hardwareOf(engine: Engine | null): Hardware {
  const [first] = os.cpus();
  const found = engine?.addon.runtime().cudaDevices.find(({ index }) => engine.device === `cuda:${index}`);
  return {
    cpu: {
      model: first?.model.trim() ?? 'unknown',
      cores: os.cpus().length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      ...hostProcessor(),
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

/**
 * Describes the machine. Call it after the work, when clocks and temperature are those of a busy machine. Without an
 * engine LibTorch is left out.
 */
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
      commit: gitCommit()?.slice(0, 12) ?? null,
      node: process.version,
      libtorch: engine?.addon.loaded ?? null,
      cuda: variant && variant !== 'cpu' ? variant : null,
    },
    threads: engine?.addon.runtime().threads ?? null,
    date: new Date().toISOString(),
    commandLine,
  };
}

/**
 * Hash of the hardware without clocks, limits and versions, which may change on one machine. A MIG slice has another
 * name and memory than its GPU.
 */
export function fingerprintOf({ cpu, gpu }: Hardware): string {
  const { model, cores, memoryGiB, microArchitecture, instructionSets } = cpu;
  const parts = [
    ...[model, cores, memoryGiB, microArchitecture, instructionSets],
    gpu && [gpu.name, gpu.memoryGiB, gpu.capability],
  ];
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
  const details = processorText(cpu);
  const host = `${cpu.model}${details && ` (${details})`}, ${cpu.cores} cores, ${cpu.memoryGiB} GiB`;
  return gpu ? `${gpu.name} (${gpu.memoryGiB} GiB${gpu.state?.mig ? ', a MIG slice' : ''}) on ${host}` : host;
}

/** Parts of the hardware that differ, in words; empty where no part that the fingerprints cover differs. */
export function machineDifferences(a: Hardware, b: Hardware): string[] {
  if (isOld(a) !== isOld(b))
    return [`the ${isOld(a) ? 'first' : 'second'} was made by an older version, which did not record instruction sets`];
  const simple = (name: string, of: (machine: Hardware) => string | number | null | undefined) =>
    of(a) === of(b) ? [] : [`${name} ${of(a) ?? 'none'} and ${of(b) ?? 'none'}`];
  const only = (name: string, { cpu: own }: Hardware, { cpu: other }: Hardware) => {
    const sets = own.instructionSets?.filter((set) => !other.instructionSets?.includes(set)) ?? [];
    return sets.length > 0 ? [`only the ${name} has ${sets.join(' ')}`] : [];
  };
  return [
    ...simple('processors', ({ cpu }) => cpu.model),
    ...simple('micro-architectures', ({ cpu }) => cpu.microArchitecture),
    ...only('first', a, b),
    ...only('second', b, a),
    ...simple('cores', ({ cpu }) => cpu.cores),
    ...simple('GiB of memory', ({ cpu }) => cpu.memoryGiB),
    ...simple('GPUs', ({ gpu }) => gpu && `${gpu.name}, ${gpu.memoryGiB} GiB, ${gpu.capability}`),
  ];
}

/** True for a result of an older version, which recorded only the processor's name. */
export const isOld = ({ cpu }: Hardware): boolean => cpu.instructionSets === undefined;

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
