/** Only results of one machine may stand in one table. */
import type { Provenance } from '../engine/provenance';
import { EarlybirdError } from '../errors';

/** The machine of a run, from params.json. Runs of earlier versions have no fingerprint. */
export type MachineRecord = Pick<Provenance, 'earlybird' | 'libtorch' | 'device' | 'deviceName' | 'threads'> &
  Partial<Pick<Provenance, 'machine'>>;

export function machineOf({ earlybird, libtorch, machine, device, deviceName, threads }: MachineRecord): MachineRecord {
  return { earlybird, libtorch, machine, device, deviceName, threads };
}

/** Hardware and versions in one line, without the index of the GPU and without the threads beside one. */
export function machineLine({ earlybird, libtorch, machine, device, deviceName, threads }: MachineRecord): string {
  const kind = device.replace(/:\d+$/, '');
  const cores = kind === 'cpu' ? `, ${threads} thread${threads === 1 ? '' : 's'}` : '';
  return `${kind} (${deviceName}${cores}), LibTorch ${libtorch}, earlybird ${earlybird}${machine ? `, machine ${machine}` : ''}`;
}

/** Throws ERR_BENCH_MACHINE for the first record of another machine than the first one. */
export function refuseMixedMachines(records: readonly { folder: string; machine: MachineRecord }[]): void {
  const [first, ...rest] = records;
  const other = rest.find(({ machine }) => machineLine(machine) !== machineLine(first!.machine));
  if (!first || !other) return;
  throw new EarlybirdError(
    'ERR_BENCH_MACHINE',
    `${first.folder} was made on ${machineLine(first.machine)}, but ${other.folder} on ${machineLine(other.machine)}: their costs are not comparable, choose another --save or run all on one machine.`,
  );
}
