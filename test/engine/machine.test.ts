import { describeMachine, machineDifferences, machineName, machineText } from '../../src/engine/machine';
import { hostProcessor } from '../../src/engine/processor';
import type { NativeAddon } from '../../src/native/types/addon';
import { fakeEngine } from '../support/fake-addon';
import { H200, machineWith } from '../support/machine';

const GIB = 2 ** 30;
const devices = [{ index: 0, name: 'NVIDIA H200', memoryBytes: 140 * GIB, capability: '9.0' }];

function engineWith(more: object): { addon: NativeAddon; device: string } {
  const runtime = () => ({ threads: 3, cpuCapability: 'AVX2', cudaDevices: devices });
  return { addon: { ...fakeEngine().addon, runtime, ...more } as unknown as NativeAddon, device: 'cuda:0' };
}

test('the fingerprint is that of the hardware: state, date and command do not change it', async () => {
  const [a, b] = [await describeMachine(engineWith({}), 'one'), await describeMachine(engineWith({}), 'two')];
  expect(a.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  expect(b.fingerprint).toBe(a.fingerprint);
  expect([a.commandLine, b.commandLine, a.threads, a.versions.libtorch]).toEqual(['one', 'two', 3, '0.0.0']);
  const hot = { ...H200, state: { ...H200.state!, temperatureC: 80, powerLimitWatts: 500 } };
  expect(machineWith(hot).fingerprint).toBe(machineWith(H200).fingerprint);
});

test('another processor, no GPU, a slice of one: other machines', () => {
  const slice = { ...H200, name: 'NVIDIA H200 MIG 1g.18gb', memoryGiB: 16 };
  const all = [machineWith(H200), machineWith(null), machineWith(H200, 'Another CPU'), machineWith(slice)];
  expect(new Set(all.map(({ fingerprint }) => fingerprint)).size).toBe(4);
});

test('one model name with other instruction sets or another micro-architecture: other machines', async () => {
  const processors = [
    { microArchitecture: 'family 23', instructionSets: ['avx2'] },
    { microArchitecture: 'family 25', instructionSets: ['avx2'] },
    { microArchitecture: 'family 25', instructionSets: ['avx2', 'avx512f'] },
    {},
  ];
  const machines = processors.map((processor) => machineWith(null, 'AMD EPYC', processor));
  expect(new Set(machines.map(({ fingerprint }) => fingerprint)).size).toBe(4);
  expect(machineName(machines[2]!)).toBe('AMD EPYC (family 25: avx2 avx512f), 2 cores, 8 GiB');
  expect(machineName(machines[3]!)).toBe('AMD EPYC, 2 cores, 8 GiB');
  expect((await describeMachine(null)).cpu).toMatchObject(hostProcessor());
});

test('what differs is said in words', () => {
  const [avx2, avx512] = [['avx2'], ['avx2', 'avx512f']].map((instructionSets) =>
    machineWith(null, 'A CPU', { microArchitecture: 'family 25', instructionSets }),
  );
  expect(machineDifferences(avx2!, avx2!)).toEqual([]);
  expect(machineDifferences(avx2!, avx512!)).toEqual(['only the second has avx512f']);
  expect(machineDifferences(avx512!, avx2!)).toEqual(['only the first has avx512f']);
  expect(machineDifferences(machineWith(), avx2!)).toEqual([
    'the first was made by an older version, which did not record instruction sets',
  ]);
  expect(machineDifferences(machineWith(null, 'B CPU'), machineWith(H200))).toEqual([
    'processors B CPU and A CPU',
    'GPUs none and NVIDIA H200, 140 GiB, 9.0',
  ]);
});

test('the driver is asked for its state, and an answer that fails is a reason', async () => {
  const asked: unknown[] = [];
  const gpuState = async (...question: unknown[]) => {
    asked.push(question);
    return H200.state;
  };
  const gpuOf = async (more: object) => (await describeMachine(engineWith(more))).gpu;
  expect(await gpuOf({ gpuState })).toEqual(H200);
  process.env.EARLYBIRD_NVML = '/elsewhere/nvml.so';
  try {
    await gpuOf({ gpuState });
  } finally {
    delete process.env.EARLYBIRD_NVML;
  }
  expect(asked).toEqual([
    ['cuda:0', {}],
    ['cuda:0', { nvml: '/elsewhere/nvml.so' }],
  ]);
  const failing = () => {
    throw new Error('no NVML here');
  };
  expect(await gpuOf({ gpuState: failing })).toMatchObject({ state: null, reason: 'no NVML here' });
  expect((await describeMachine({ ...engineWith({ gpuState }), device: 'cpu' })).gpu).toBeNull();
  expect(await describeMachine(null)).toMatchObject({
    gpu: null,
    threads: null,
    versions: { libtorch: null, cuda: null },
  });
});

test('as text', () => {
  expect(machineName(machineWith(H200))).toBe('NVIDIA H200 (140 GiB) on A CPU, 2 cores, 8 GiB');
  const text = machineText(machineWith(H200));
  expect(text).toContain('driver 580.1, clocks 1980 MHz of 1980 MHz, memory 3201 MHz, 41 C, limit 700 W, MIG off');
  expect(text).toContain('earlybird 0.1.0, node v20, libtorch 2.13.0, cuda cu13');
  const silent = machineText(machineWith({ ...H200, state: null, reason: 'no driver' }));
  expect(silent).toContain('state of the GPU unknown: no driver');
});
