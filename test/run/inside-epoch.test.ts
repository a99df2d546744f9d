import { type InsideEpoch, insideEntries, insideFrom } from '../../src/run/inside-epoch';

const INSIDE: InsideEpoch = {
  position: {
    batches: 7,
    steps: 6,
    images: 95,
    sums: [0.1 + 0.2, 1e-300, 3, 4, 5.5, -0.25],
    seconds: 12.75,
    waited: 0.5,
    bad: [{ index: 3, reason: 'empty' }],
  },
  distances: { '30': [0.25], '50': null },
  energy: {
    whole: { windows: 1, seconds: 2, joules: null, reason: 'none' },
    train: { windows: 1, seconds: 1, joules: 3, parts: { 'cpu counter': 3 }, hosts: { a: 1, b: 2 } },
  },
};

test('what is written comes back to the last bit; a checkpoint between epochs has none', () => {
  expect(insideFrom(new Map(insideEntries(INSIDE)), 'file')).toEqual(INSIDE);
  expect(insideFrom(new Map(insideEntries({ ...INSIDE, energy: null })), 'file')).toEqual({ ...INSIDE, energy: null });
  expect(insideEntries(undefined)).toEqual([]);
  expect(insideFrom(new Map(), 'file')).toBeUndefined();
  expect(insideFrom(null, 'file')).toBeUndefined();
});

test.each(['', '{}', '7', 'null', JSON.stringify({ ...INSIDE, position: { ...INSIDE.position, steps: -1 } }), 7, null])(
  'anything else is refused: %j',
  (value) => {
    expect(() => insideFrom(new Map([['inside_epoch', value]]), 'there.pth.tar')).toThrow(
      'there.pth.tar does not say where inside its epoch it was written: remove it, and the run goes on from its last whole epoch.',
    );
  },
);
