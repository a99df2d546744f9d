/** A machine for tests of the figures that are made of benchmarks. */
import { fingerprintOf, type Machine, type MachineGpu } from '../../src/engine/machine';
import type { Processor } from '../../src/engine/processor';

export const H200: MachineGpu = {
  name: 'NVIDIA H200',
  memoryGiB: 140,
  capability: '9.0',
  state: {
    name: 'NVIDIA H200',
    pciBusId: '0000:18:00.0',
    driver: '580.1',
    temperatureC: 41,
    powerLimitWatts: 700,
    clocks: { sm: 1980, memory: 3201, maxSm: 1980 },
    mig: false,
    otherProcesses: 0,
  },
};

export function machineWith(
  gpu: MachineGpu | null = null,
  model = 'A CPU',
  processor: Partial<Processor> = {},
): Machine {
  const cpu = { model, cores: 2, memoryGiB: 8, governor: null, mhz: 2400, ...processor };
  return {
    fingerprint: fingerprintOf({ cpu, gpu }),
    cpu,
    kernel: '6.1',
    gpu,
    versions: { earlybird: '0.1.0', node: 'v20', libtorch: '2.13.0', cuda: gpu ? 'cu13' : null },
    threads: 2,
    date: '2026-11-23T12:00:00.000Z',
    commandLine: 'earlybird bench step',
  };
}
