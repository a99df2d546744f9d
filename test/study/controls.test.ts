/** Masks of the controls. */
import type { LayerInfo } from '../../src/native/types/model';
import {
  type Channels,
  globalChannels,
  maskResult,
  pack,
  randomChannels,
  rowNorms,
  shuffledChannels,
  streamOf,
  uniformChannels,
  unpack,
} from '../../src/study/controls';

const widths = [16, 30, 7, 64];
const ticket: Channels = widths.map((width, layer) =>
  Array.from({ length: width }, (_, i) => (i * 7 + layer) % 3 === 0),
);
const counts = (channels: Channels) => channels.map((layer) => layer.filter(Boolean).length);

test('bits of a mask and back', () => {
  expect(unpack(pack(ticket), widths)).toEqual(ticket);
  expect(
    pack([
      [true, false, false],
      [false, false, false, false, false, true],
    ]),
  ).toEqual(Uint8Array.of(0x80, 0x80));
  expect(maskResult(0.5, ticket)).toMatchObject({ kept: counts(ticket).reduce((a, b) => a + b), total: 117 });
});

describe.each([
  { control: 'random', draw: randomChannels },
  { control: 'shuffled', draw: shuffledChannels },
] as const)('$control', ({ control, draw }) => {
  const of = (seed: number, percent = 50, epoch = 8) => draw(ticket, streamOf(control, seed, percent, epoch));

  test('keeps as many channels in each layer as the ticket', () => {
    for (const seed of [1, 2, 3]) expect(counts(of(seed))).toEqual(counts(ticket));
  });

  test('is the same for the same seed, ratio and epoch, and another for others', () => {
    expect(of(1)).toEqual(of(1));
    const masks = [of(1), of(2), of(1, 30), of(1, 50, 9), ticket].map((channels) => pack(channels).join());
    expect(new Set(masks).size).toBe(masks.length);
  });

  test('takes every channel equally often', () => {
    const times = new Array<number>(30).fill(0);
    const rounds = 2000;
    for (let seed = 0; seed < rounds; seed++)
      of(seed)[1]!.forEach((keep, i) => {
        times[i]! += Number(keep);
      });
    const share = counts(ticket)[1]! / 30;
    // Five standard deviations.
    const most = 5 * Math.sqrt(rounds * share * (1 - share));
    for (const count of times) expect(Math.abs(count - rounds * share)).toBeLessThan(most);
  });
});

test('random and shuffled are two draws', () => {
  const [a, b] = [
    randomChannels(ticket, streamOf('random', 1, 50, 8)),
    shuffledChannels(ticket, streamOf('shuffled', 1, 50, 8)),
  ];
  expect(a).not.toEqual(b);
});

test('uniform keeps the largest scores of every layer, the same share of each', () => {
  const scores = widths.map((width) => Float64Array.from({ length: width }, (_, i) => (i * 5) % width));
  const channels = uniformChannels(scores, 0.7);
  expect(counts(channels)).toEqual([5, 9, 2, 19]);
  for (const [layer, kept] of channels.entries()) {
    const of = (keep: boolean) => [...scores[layer]!].filter((_, i) => kept[i] === keep);
    expect(Math.min(...of(true))).toBeGreaterThanOrEqual(Math.max(...of(false)));
  }
  // Equal scores: the first channels. A layer keeps at least one.
  expect(uniformChannels([new Float64Array(4)], 0.5)).toEqual([[true, true, false, false]]);
  expect(counts(uniformChannels([new Float64Array(4)], 0.99))).toEqual([1]);
});

test('a threshold over all layers, by the rule of the gammas', () => {
  const scores = [Float64Array.of(0.1, 0.9, 0.5), Float64Array.of(0.2, 0.8, 0.7, 0.6)];
  // The third smallest of seven is 0.5, and goes itself.
  expect(globalChannels(scores, 0.3)).toEqual([
    [false, true, false],
    [false, true, true, true],
  ]);
});

describe('the L1 norms of what makes a channel', () => {
  const conv = (key: string, out: number): LayerInfo => ({
    ...{ kind: 'conv', key, in: 1, out, kernel: 1, groups: 1, bias: false, height: 4, width: 4 },
  });
  const norm = (key: string, channels: number): LayerInfo => ({
    kind: 'batchnorm',
    key,
    channels,
    height: 4,
    width: 4,
  });
  const weights: Record<string, number[]> = { a: [1, -1, 3, 5], b: [2, -6], c: [1, 1, -1] };
  const of = (key: string) => weights[key]!;

  test('over the mean of the layer', () => {
    const layers = [conv('a', 2), norm('n', 2)];
    expect(rowNorms([{ key: 'n', channels: 2 }], layers, of)).toEqual([Float64Array.of(0.4, 1.6)]);
  });

  test('are those of the last convolution before with as many channels', () => {
    const layers = [conv('a', 2), conv('b', 2), conv('c', 3), norm('n', 2), norm('m', 3)];
    const scores = rowNorms(
      [
        { key: 'n', channels: 2 },
        { key: 'm', channels: 3 },
      ],
      layers,
      of,
    );
    expect(scores).toEqual([Float64Array.of(0.5, 1.5), Float64Array.of(1, 1, 1)]);
  });

  test('are equal where no convolution comes before', () => {
    expect(rowNorms([{ key: 'n', channels: 2 }], [norm('n', 2)], of)).toEqual([Float64Array.of(1, 1)]);
  });
});
