/** Energy of several ranks: each GPU once, each processor once a host. */
import { addTotals, totalOf } from '../../src/energy/totals';
import type { NativeAddon } from '../../src/native/types/addon';
import type { EnergySource, EnergyValue, MeterOptions } from '../../src/native/types/energy';
import { mergeShares, RankMeter } from '../../src/ranks/meters';
import type { Ranks } from '../../src/ranks/ranks';

const value = (part: EnergyValue['part'], joules: number | null): EnergyValue => ({ part, joules, method: 'counter' });
const own = { name: 'train', seconds: 2, joules: 0, parts: [] };

test('two hosts with two ranks each', () => {
  const shares = ['a', 'a', 'b', 'b'].map((host, rank) => ({
    host,
    first: rank % 2 === 0,
    parts: [value('gpu', 100 + rank), value('cpu', 10), value('dram', 1)],
  }));
  const total = totalOf(mergeShares(own, shares), ['gpu', 'cpu']);
  expect(total).toEqual({
    windows: 1,
    seconds: 2,
    joules: 406 + 22,
    parts: { 'gpu counter': 406, 'cpu counter': 20, 'dram counter': 2 },
    hosts: { a: 201 + 11, b: 205 + 11 },
  });
  expect(addTotals({ train: total }, { train: total }).train!.hosts).toEqual({ a: 424, b: 432 });
});

test('the processors of a host are metered by the first rank with its name', async () => {
  const sources = [{ part: 'gpu', name: 'GPU' } as EnergySource, { part: 'cpu', name: 'package-0' } as EnergySource];
  const addon = { createMeter: async () => ({ sources: () => sources }) } as unknown as NativeAddon;
  const hosts = ['b', 'a', 'b'];
  const ranks = {
    group: { gather: async (text: string) => hosts.map(() => text) },
    hostOf: (rank: number) => hosts[rank],
  } as unknown as Ranks;
  const meter = await RankMeter.open(addon, {} as MeterOptions, ranks);
  const names = ['GPU of b', 'package-0 of b', 'GPU of a', 'package-0 of a', 'GPU of b'];
  expect(meter.sources().map(({ name }) => name)).toEqual(names);
});

test('a GPU that cannot be read leaves no sum', () => {
  const shares = [
    { host: 'a', first: true, parts: [value('gpu', 5)] },
    { host: 'b', first: true, parts: [{ ...value('gpu', null), reason: 'NVML does not answer' }] },
  ];
  expect(totalOf(mergeShares(own, shares), ['gpu'])).toMatchObject({
    joules: null,
    reason: 'NVML does not answer',
    hosts: { a: 5 },
  });
});

test('nothing to read is nothing', () => {
  expect(mergeShares(own, [{ host: 'a', first: true, parts: [] }]).joules).toBeNull();
});
