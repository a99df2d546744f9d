/** Whether two results were measured on one machine: only then may they stand in one table. */

import type { Provenance } from '../engine/provenance';
import { EarlybirdError } from '../errors';

/** What params.json says of the machine; a host's name is no part of it. Runs of earlier versions have no fingerprint. */
export type MachineRecord = Pick<Provenance, 'earlybird' | 'libtorch' | 'device' | 'deviceName' | 'threads'> &
  Partial<Pick<Provenance, 'machine'>>;

export function machineOf({ earlybird, libtorch, machine, device, deviceName, threads }: MachineRecord): MachineRecord {
  return { earlybird, libtorch, machine, device, deviceName, threads };
}

const kindOf = (device: string) => device.replace(/:\d+$/, '');

/** For people, in one line. */
export function machineLine({ earlybird, libtorch, machine, device, deviceName, threads }: MachineRecord): string {
  const cores = kindOf(device) === 'cpu' ? `, ${threads} thread${threads === 1 ? '' : 's'}` : '';
  return `${kindOf(device)} (${deviceName}${cores}), LibTorch ${libtorch}, earlybird ${earlybird}${machine ? `, machine ${machine}` : ''}`;
}

/** Hardware and versions. Which of several equal GPUs worked does not count, nor do the threads beside one. */
export function sameMachine(a: MachineRecord, b: MachineRecord): boolean {
  return machineLine(a) === machineLine(b);
}

/** Throws ERR_BENCH_MACHINE for the first record that was made elsewhere than the first of all. */
export function refuseMixedMachines(records: readonly { folder: string; machine: MachineRecord }[]): void {
  const [first, ...rest] = records;
  const other = rest.find(({ machine }) => !sameMachine(first!.machine, machine));
  if (!first || !other) return;
  throw new EarlybirdError(
    'ERR_BENCH_MACHINE',
    `${first.folder} was made on ${machineLine(first.machine)}, but ${other.folder} on ${machineLine(other.machine)}: their costs are not comparable, choose another --save or run all on one machine.`,
  );
}
