/** The meter of the addon on a fake NVML, which the test compiles, and a fake powercap tree: every way to read, or not to. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { EnergyReading, MeterOptions, NativeMeter } from '../../src/native/types/energy';
import { temporaryFolder } from '../cli/tiny';
import { addon } from '../support/small-handles';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

/** Compiles the fake library; null where there is no C compiler. */
function compiled(name: string, ...flags: string[]): string | null {
  const source = join(__dirname, '..', 'fixtures', 'energy', 'nvml.c');
  const state = `-DSTATE="${at('state')}"`;
  const { error, status, stderr } = spawnSync('cc', ['-shared', '-fPIC', state, ...flags, '-o', at(name), source]);
  if (error) return null;
  if (status !== 0) throw new Error(String(stderr));
  return at(name);
}

const nvml = compiled('nvml.so');
if (nvml === null) console.warn('skipped: the fake NVML needs a C compiler, and there is no cc');
const withNvml = nvml === null ? describe.skip : describe;

/** Replaces the file at once, because the sampler may be reading. */
function put(file: string, text: string): void {
  mkdirSync(dirname(at(file)), { recursive: true });
  writeFileSync(at('next'), text);
  renameSync(at('next'), at(file));
}
const steer = (state: Record<string, number>) =>
  put(
    'state',
    Object.entries(state)
      .map(([key, value]) => `${key} ${value}\n`)
      .join(''),
  );

const open: NativeMeter[] = [];
async function meterOf(options: Partial<MeterOptions> = {}): Promise<NativeMeter> {
  const meter = await addon.createMeter({ device: 'cpu', powercap: at('nowhere'), ...options });
  open.push(meter);
  return meter;
}
afterEach(() => {
  for (const meter of open.splice(0)) meter.dispose();
});

const BUS = '0000:18:00.0';
const gpu = (options: Partial<MeterOptions> = {}) => meterOf({ nvml: nvml!, pciBusId: BUS, ...options });

async function windowOf(meter: NativeMeter, work: () => void | Promise<void> = () => {}): Promise<EnergyReading> {
  await meter.begin('w');
  await work();
  return meter.end('w');
}
const pause = (milliseconds: number) => new Promise<void>((wake) => setTimeout(wake, milliseconds));

withNvml('NVML', () => {
  test('the energy counter', async () => {
    steer({ energy: 5_000_000, self: 1 });
    const meter = await gpu();
    expect(meter.sources()[0]).toEqual({
      part: 'gpu',
      method: 'counter',
      name: 'NVML counter of Fake GPU at 0000:18:00.0',
      notes: [],
    });
    await meter.begin('outer');
    steer({ energy: 5_010_000 });
    const inner = await windowOf(meter, () => steer({ energy: 5_012_500 }));
    expect(inner.parts[0]).toMatchObject({ part: 'gpu', joules: 2.5, method: 'counter' });
    expect(await meter.end('outer')).toMatchObject({ name: 'outer', joules: 12.5 });
  });

  test('a counter that goes backwards counts nothing', async () => {
    steer({ energy: 9000 });
    const meter = await gpu();
    const back = await windowOf(meter, () => steer({ energy: 100 }));
    expect([back.joules, back.parts[0]!.reason]).toEqual([null, expect.stringContaining('went backwards')]);
    expect((await windowOf(meter, () => steer({ energy: 600 }))).joules).toBe(0.5);
  });

  test('a driver that fails within a window', async () => {
    steer({ energy: 1000 });
    const meter = await gpu();
    await meter.begin('outer');
    const lost = await windowOf(meter, () => steer({ energy: 1500, energy_code: 15 }));
    expect(lost.parts[0]).toEqual({
      part: 'gpu',
      joules: null,
      method: null,
      reason: 'the driver does not tell the energy counter (GPU is lost)',
    });
    expect(lost.joules).toBeNull();
    const begunLost = await windowOf(meter, () => steer({ energy: 2000 }));
    expect(begunLost.joules).toBeNull();
    expect((await meter.end('outer')).joules).toBe(1);
  });

  test.each([
    ['is not supported', { energy_code: 3 }, undefined, 'Not Supported'],
    ['is not in the driver', {}, '-DNO_COUNTER', 'Function Not Found'],
  ])('where the counter %s instant power is sampled', async (_, state, flag, why) => {
    steer({ instant: 200_000, power: 1, ...state });
    const meter = await gpu(flag ? { nvml: compiled('other.so', flag)! } : {});
    expect(meter.sources()[0]).toMatchObject({
      method: 'sampled',
      name: 'NVML instant power of Fake GPU at 0000:18:00.0',
      notes: [expect.stringContaining(why)],
    });
    const steady = await windowOf(meter, () => pause(20));
    expect(steady.joules).toBeCloseTo(200 * steady.seconds, 9);
    expect(steady.parts[0]).toMatchObject({ method: 'sampled' });
    // The mean lies between the two, however often it is sampled between.
    const rising = await windowOf(meter, () => steer({ instant: 400_000, ...state }));
    expect(rising.joules! / rising.seconds).toBeGreaterThan(200);
    expect(rising.joules! / rising.seconds).toBeLessThanOrEqual(400);
  });

  test('where there is no instant power the mean power is sampled', async () => {
    steer({ energy_code: 3, instant_code: 3, power: 150_000 });
    const meter = await gpu();
    expect(meter.sources()[0]).toMatchObject({ method: 'sampled', name: expect.stringContaining('NVML power of') });
    const steady = await windowOf(meter, () => pause(5));
    expect(steady.joules).toBeCloseTo(150 * steady.seconds, 9);
    const lost = await windowOf(meter, async () => {
      steer({ energy_code: 3, instant_code: 3, power_code: 15 });
      await pause(5);
    });
    expect([lost.joules, lost.parts[0]!.reason]).toEqual([null, 'the driver does not tell the power (GPU is lost)']);
  });

  test('MIG and other processes are said', async () => {
    steer({ mig: 1, processes: 70, self: 1, energy: 1 });
    const meter = await gpu();
    expect(meter.sources()[0]!.notes).toEqual([
      expect.stringContaining('MIG'),
      expect.stringContaining('70 other processes compute on it'),
    ]);
    steer({ energy: 1 });
    expect(meter.sources()[0]!.notes).toEqual([expect.stringContaining('70 other processes')]);
    steer({ mig_code: 3, self: 1, energy: 1 });
    expect((await gpu()).sources()[0]!.notes).toEqual([]);
    steer({ processes: 1, energy: 1 });
    expect((await gpu()).sources()[0]!.notes).toEqual([expect.stringContaining('1 other process computes on it')]);
  });

  test.each<[string, Record<string, number>, () => Partial<MeterOptions>, RegExp]>([
    ['a library that is not there', {}, () => ({ nvml: at('none.so') }), /NVML cannot be opened .*none\.so.*driver/],
    [
      'NVML does not start',
      { init_code: 9 },
      () => ({}),
      /does not start \(Driver Not Loaded\): see whether nvidia-smi/,
    ],
    ['no GPU of that bus id', {}, () => ({ pciBusId: '0000:19:00.0' }), /no GPU at 0000:19:00\.0 \(Not Found\)/],
    [
      'a library without its functions',
      {},
      () => ({ nvml: compiled('old.so', '-DNO_HANDLE')! }),
      /lacks nvmlInit_v2 or/,
    ],
    [
      'neither counter nor power',
      { energy_code: 3, instant_code: 3, power_code: 4 },
      () => ({}),
      /counter \(Not Supported\), and .*power/,
    ],
  ])('%s: no figure, and the reason', async (_, state, options, reason) => {
    steer(state);
    const meter = await gpu(options());
    expect(meter.sources()[0]).toMatchObject({ part: 'gpu', method: null, reason: expect.stringMatching(reason) });
    const { joules, parts } = await windowOf(meter);
    expect(joules).toBeNull();
    expect(parts[0]).toMatchObject({ joules: null, method: null, reason: expect.stringMatching(reason) });
  });

  test('the state of a GPU', async () => {
    steer({ mig: 1, processes: 2, self: 1, limit_code: 3 });
    expect(await addon.gpuState('cpu', { nvml: nvml!, pciBusId: BUS })).toEqual({
      name: 'Fake GPU',
      pciBusId: BUS,
      driver: '999.1',
      temperatureC: 41,
      powerLimitWatts: null,
      clocks: { sm: 1755, memory: 2619, maxSm: 1980 },
      mig: true,
      otherProcesses: 2,
    });
    steer({});
    expect(await addon.gpuState('cpu', { nvml: nvml!, pciBusId: BUS })).toMatchObject({ powerLimitWatts: 700 });
    const elsewhere = addon.gpuState('cpu', { nvml: nvml!, pciBusId: '0000:00:00.0' });
    await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_ENERGY' });
    await expect(addon.gpuState('cpu')).rejects.toMatchObject({ code: 'ERR_DEVICE' });
  });

  test('GPU, processor and memory are summed, and each is told', async () => {
    domain('sum/intel-rapl:0', 'package-0', 1_000_000);
    domain('sum/intel-rapl:0/intel-rapl:0:0', 'dram', 0);
    steer({ energy: 1000 });
    const meter = await gpu({ powercap: at('sum'), watts: 99 });
    const { joules, parts } = await windowOf(meter, () => {
      steer({ energy: 5000 });
      domain('sum/intel-rapl:0', 'package-0', 3_000_000);
      domain('sum/intel-rapl:0/intel-rapl:0:0', 'dram', 500_000);
    });
    expect(parts.map(({ part, joules: value }) => [part, value])).toEqual([
      ['gpu', 4],
      ['cpu', 2],
      ['dram', 0.5],
    ]);
    expect(joules).toBe(6.5);
    expect(meter.sources().at(-1)).toMatchObject({
      part: 'given',
      notes: [expect.stringContaining('only in windows')],
    });
  });
});

function domain(path: string, name: string, microjoules: number, range = 10_000_000): void {
  put(`${path}/name`, `${name}\n`);
  put(`${path}/max_energy_range_uj`, `${range}\n`);
  put(`${path}/energy_uj`, `${microjoules}\n`);
}

describe('the processor', () => {
  test('a counter that wraps around', async () => {
    domain('wrap/intel-rapl:0', 'package-0', 9_000_000);
    const meter = await meterOf({ powercap: at('wrap') });
    expect(meter.sources()[0]!.notes).toEqual([expect.stringContaining('other programs')]);
    const reading = await windowOf(meter, () => put('wrap/intel-rapl:0/energy_uj', '2000000\n'));
    expect(reading.joules).toBe(3);
    expect(reading.parts.map(({ part }) => part)).toEqual(['cpu', 'dram']);
    expect(reading.parts[1]!.reason).toContain('no counter for its memory');
  });

  test('a file that vanishes within a window', async () => {
    domain('gone/intel-rapl:0', 'package-0', 1_000_000);
    const meter = await meterOf({ powercap: at('gone') });
    const reading = await windowOf(meter, () => rmSync(at('gone/intel-rapl:0/energy_uj')));
    expect(reading.joules).toBeNull();
    expect(reading.parts[0]!.reason).toMatch(/energy_uj cannot be read \(No such file or directory\)/);
  });

  test('without a tree nothing is read, and the reason is told', async () => {
    const meter = await meterOf();
    expect(meter.sources()).toEqual([
      { part: 'cpu', method: null, name: expect.any(String), reason: expect.stringContaining('containers'), notes: [] },
    ]);
    expect(await windowOf(meter)).toMatchObject({ joules: null, parts: [{ joules: null, method: null }] });
  });
});

describe('windows', () => {
  test('given watts are an estimate, where nothing else is read', async () => {
    const meter = await meterOf({ watts: 80 });
    const { joules, seconds, parts } = await windowOf(meter, () => pause(5));
    expect(joules).toBe(80 * seconds);
    expect(parts.at(-1)).toEqual({ part: 'given', joules, method: 'estimated' });
    await expect(meterOf({ watts: 0 })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  test('used wrongly', async () => {
    const meter = await meterOf();
    const usage = { code: 'ERR_USAGE' };
    await expect(meter.end('a')).rejects.toMatchObject({
      ...usage,
      message: expect.stringContaining('No energy window'),
    });
    await meter.begin('a');
    await expect(meter.begin('a')).rejects.toMatchObject({
      ...usage,
      message: expect.stringContaining('open already'),
    });
    await meter.begin('b');
    await expect(meter.end('a')).rejects.toMatchObject({ ...usage, message: expect.stringContaining('innermost') });
    await expect(meter.begin(undefined as unknown as string)).rejects.toMatchObject(usage);
    await meter.end('b');
    await meter.end('a');
    await expect(addon.createMeter({ device: 'toaster' })).rejects.toMatchObject({ code: 'ERR_DEVICE' });
  });

  test('disposed of while one is open, which is sampled', async () => {
    domain('open/intel-rapl:0', 'package-0', 0);
    const meter = await meterOf({ powercap: at('open') });
    await meter.begin('a');
    meter.dispose();
    await expect(meter.end('a')).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(() => meter.sources()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    rmSync(at('open'), { recursive: true });
    const next = await meterOf({ watts: 1 });
    expect((await windowOf(next)).joules).toBeGreaterThan(0);
  });
});
