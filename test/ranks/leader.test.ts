/** The messages of rank 0 to the others, without processes. */
import type { NativeAddon } from '../../src/native/types/addon';
import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import { leading } from '../../src/ranks/leader';
import type { Ranks } from '../../src/ranks/ranks';

test('formats that change between epochs change on every rank', async () => {
  const told: unknown[] = [];
  const ranks = { tell: async (word: unknown) => told.push(word), options: { syncBn: false } } as unknown as Ranks;
  const own: unknown[] = [];
  const model = { share: async () => {}, setFormats: async (options: unknown) => own.push(options) };
  const addon = { createModel: async () => model as unknown as NativeModel } as unknown as NativeAddon;
  const led = await leading(addon, ranks, new Map()).createModel({} as ModelSpec);
  const formats = { ...{ weight: 8, activate: 5, grad: 8, error: 8, momentum: 8 }, rounding: 'stochastic' } as const;
  await led.setFormats({ formats });
  expect(told.at(-1)).toEqual({ do: 'call', on: 0, method: 'setFormats', args: [{ formats }] });
  expect(own).toEqual([{ formats }]);
});
