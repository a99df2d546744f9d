import { type MachineRecord, machineLine, machineOf, refuseMixedMachines } from '../../src/cost/same-machine';

const record = (more: Partial<MachineRecord> = {}): MachineRecord => ({
  ...{ earlybird: '0.1.0', libtorch: '2.13.0', device: 'cpu', deviceName: 'AVX2', threads: 2, machine: 'a'.repeat(16) },
  processor: 'family 23: avx2',
  ...more,
});
const of = (...machines: MachineRecord[]) => machines.map((machine, i) => ({ folder: `row-${i}`, machine }));

test('rows of one machine go on, whatever the index of the GPU', () => {
  expect(() => refuseMixedMachines(of(record(), machineOf(record()), record()))).not.toThrow();
  const gpu = { deviceName: 'H200', threads: 1 };
  expect(() =>
    refuseMixedMachines(of(record({ ...gpu, device: 'cuda:0' }), record({ ...gpu, device: 'cuda:1' }))),
  ).not.toThrow();
});

test('a processor with other instruction sets is another machine, and both are named', () => {
  const other = record({ machine: 'b'.repeat(16), processor: 'family 25: avx2 avx512f' });
  expect(() => refuseMixedMachines(of(record(), other))).toThrow(
    /\(family 23: avx2\), but row-1 .* \(family 25: avx2 avx512f\)/,
  );
  // The line beside a table has no room for them.
  expect(machineLine(other)).not.toContain('avx512f');
});

test('rows of older versions stay readable, and do not stand beside newer ones', () => {
  const { processor, ...old } = record({ machine: 'c'.repeat(16) });
  expect(() => refuseMixedMachines(of(old, old))).not.toThrow();
  expect(() => refuseMixedMachines(of(old, record()))).toThrow(/not comparable/);
});
