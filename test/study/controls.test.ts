/** Masks of the controls. */
import {
  type Channels,
  maskResult,
  pack,
  randomChannels,
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
    // The bound is five standard deviations.
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
  const scores = widths.map((width) => Array.from({ length: width }, (_, i) => (i * 5) % width));
  const channels = uniformChannels(scores, 0.7);
  expect(counts(channels)).toEqual([5, 9, 2, 19]);
  for (const [layer, kept] of channels.entries()) {
    const of = (keep: boolean) => scores[layer]!.filter((_, i) => kept[i] === keep);
    expect(Math.min(...of(true))).toBeGreaterThanOrEqual(Math.max(...of(false)));
  }
  // With equal scores the first channels stay, and a layer keeps at least one.
  expect(uniformChannels([[0, 0, 0, 0]], 0.5)).toEqual([[true, true, false, false]]);
  expect(counts(uniformChannels([[0, 0, 0, 0]], 0.99))).toEqual([1]);
});
