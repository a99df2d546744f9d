/** The kernels of convolutions through the addon: forced, given, measured; and widths by costs. */
import type { NativeModel, PruneResult } from '../../src/native/types/model';
import { addon, floats } from '../support/small-handles';

const SPEC = { arch: 'vgg', depth: 11, classes: 10, seed: 1, device: 'cpu' };
const CFG = [48, 'M', 48, 'M', 48, 48, 'M', 64, 64, 'M', 64, 64] as const;
const FP32 = { precision: 'fp32' } as const;
const WIDE = 'fp32 3x3, under 64 channels, over 8 pixels';

const modelWith = (kernels = {}) => addon.createModel({ ...SPEC, cfg: [...CFG], kernels });
const pictures = {
  dtype: 'float32' as const,
  shape: [4, 3, 32, 32],
  data: new Uint8Array(Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => Math.sin(i)).buffer),
};
const logits = async (model: NativeModel) => floats(await model.forward(pictures));

afterEach(() => addon.setKernels({ mode: 'rule', known: {} }));

test('a table names the classes of the network; forced kernels change it, given ones come first', async () => {
  using ruled = await modelWith();
  const table = await ruled.chooseKernels(FP32);
  expect(Object.keys(table).every((name) => name.startsWith('fp32 '))).toBe(true);
  expect(table[WIDE]).toMatch(/^winograd$/);
  addon.setKernels({ mode: 'direct', known: {} });
  using forced = await modelWith();
  expect((await forced.chooseKernels(FP32))[WIDE]).toBe('direct');
  using given = await modelWith({ ...table, [WIDE]: 'of the future', 'no class': 'direct' });
  expect(await given.chooseKernels(FP32)).toEqual({ ...table, [WIDE]: 'direct' });
  // A model keeps the kernels that it used.
  expect(await ruled.chooseKernels(FP32)).toEqual(table);
});

test('the kernels decide the last bits, and the same table gives the same bits', async () => {
  using ruled = await modelWith();
  const first = await logits(ruled);
  addon.setKernels({ mode: 'direct', known: {} });
  using forced = await modelWith();
  const other = await logits(forced);
  expect(other).not.toEqual(first);
  const scale = Math.max(...first.map(Math.abs));
  for (const [i, value] of other.entries()) expect(Math.abs(value - first[i]!)).toBeLessThan(1e-4 * scale);
  using again = await modelWith(await ruled.chooseKernels(FP32));
  expect(await logits(again)).toEqual(first);
});

test('measuring: the direct convolution and others are timed, and the answer is one of them', async () => {
  addon.setKernels({ mode: 'auto', known: {} });
  using model = await modelWith();
  const table = await model.chooseKernels(FP32);
  const answers = addon.kernels();
  expect(answers.length).toBeGreaterThan(0);
  for (const { class: name, kernel, milliseconds } of answers) {
    expect(milliseconds[kernel]).toBeGreaterThan(0);
    expect(milliseconds.direct).toBeGreaterThan(0);
    if (table[name] !== undefined) expect(table[name]).toBe(kernel);
  }
  expect(() => addon.setKernels({ mode: 'fastest', known: {} })).toThrow(
    expect.objectContaining({ code: 'ERR_USAGE' }),
  );
});

test('widths: costs of all classes, those that are known not measured again, and tickets cut by them', async () => {
  using model = await modelWith();
  const costs = await model.timeWidths({ ...FP32, known: { [WIDE]: [7, 1, 1, 1] } });
  expect(costs[WIDE]).toEqual([7, 1, 1, 1]);
  expect(Object.keys(costs)).toContain('fp32 3x3, under 16 channels, over 8 pixels');
  for (const each of Object.values(costs)) expect(Math.max(...each)).toBeGreaterThan(0);

  const cut = (more: object) => model.prune({ mask: maskOf(model), emptyLayers: 'keep-one', ...more });
  const dear = Object.fromEntries(Object.keys(costs).map((name) => [name, [4, 1, 1, 1]]));
  const level = Object.fromEntries(Object.keys(costs).map((name) => [name, [1, 1, 1, 1]]));
  const widths = async ({ model: ticket }: PruneResult) => {
    const { cfg } = ticket.describe();
    ticket.dispose();
    return cfg.filter((width) => width !== 'M') as number[];
  };
  const [plain, same, rounded] = [
    await widths(await cut({})),
    await widths(await cut({ widthCosts: level })),
    await widths(await cut({ widthCosts: dear })),
  ];
  expect(same).toEqual(plain);
  expect(plain.some((width) => width % 8 !== 0)).toBe(true);
  expect(rounded.every((width) => width % 8 === 0)).toBe(true);
  const sum = (list: number[]) => list.reduce((a, b) => a + b);
  expect(sum(rounded)).toBeLessThanOrEqual(sum(plain));
  await expect(cut({ widthCosts: { [WIDE]: [1, 2] } })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

/** The first channels of each layer but a few, so that widths are odd. */
function maskOf(model: NativeModel): Uint8Array {
  const kept = model
    .describe()
    .batchNorms.flatMap(({ channels }) => Array.from({ length: channels }, (_, i) => i < channels - 5));
  const bits = new Uint8Array(Math.ceil(kept.length / 8));
  for (const [i, keep] of kept.entries()) if (keep) bits[i >> 3]! |= 0x80 >> (i & 7);
  return bits;
}
