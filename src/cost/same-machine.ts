/** Ensures that one table holds only results of one machine. */
import type { Provenance } from '../engine/provenance';
import { EarlybirdError } from '../errors';

/**
 * The machine of a run, from params.json. Runs of earlier versions have no fingerprint, or one without instruction
 * sets. Their machine is unknown, so their costs are not put beside newer ones in a table.
 */
export type MachineRecord = Pick<Provenance, 'earlybird' | 'libtorch' | 'device' | 'deviceName' | 'threads'> &
  Partial<Pick<Provenance, 'machine' | 'processor'>>;

export function machineOf(record: MachineRecord): MachineRecord {
  const { earlybird, libtorch, machine, processor, device, deviceName, threads } = record;
  return { earlybird, libtorch, machine, processor, device, deviceName, threads };
}

/** Hardware and versions in one line, without the index of a GPU or the number of threads beside it. */
export function machineLine(record: MachineRecord): string {
  const { earlybird, libtorch, machine, device, deviceName, threads } = record;
  const kind = device.replace(/:\d+$/, '');
  const cores = kind === 'cpu' ? `, ${threads} thread${threads === 1 ? '' : 's'}` : '';
  return `${kind} (${deviceName}${cores}), LibTorch ${libtorch}, earlybird ${earlybird}${machine ? `, machine ${machine}` : ''}`;
}

/** Throws ERR_BENCH_MACHINE for the first record whose machine differs from that of the first one. */
export function refuseMixedMachines(records: readonly { folder: string; machine: MachineRecord }[]): void {
  const [first, ...rest] = records;
  const other = rest.find(({ machine }) => machineLine(machine) !== machineLine(first!.machine));
  if (!first || !other) return;
  const onWhat = (record: MachineRecord) => `${machineLine(record)}${record.processor ? ` (${record.processor})` : ''}`;
  throw new EarlybirdError(
    'ERR_BENCH_MACHINE',
    `${first.folder} was made on ${onWhat(first.machine)}, but ${other.folder} on ${onWhat(other.machine)}: their costs are not comparable, choose another --save or run all on one machine.`,
  );
}
