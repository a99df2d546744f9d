/** The model of docs/scaling.md gives the right answer where the answer is known. */
import { bucketsOf, type Cluster, type RankStep, ringSeconds, stepOn, sumSeconds } from '../../src/bench/scaling-model';

const link = { bytesPerSecond: 1e9, latency: 1e-5 };
const cluster: Cluster = { perNode: 2, within: { bytesPerSecond: 1e10, latency: 1e-6 }, between: link };
const step: RankStep = {
  ...{ forward: 0.1, backward: 0.2, smallSums: 0 },
  buckets: [
    { bytes: 1e6, ready: 0.5 },
    { bytes: 1e6, ready: 1 },
  ],
};

test('a ring sends every byte about twice, however many ranks', () => {
  expect(ringSeconds(1e9, 1, link)).toBe(0);
  expect(ringSeconds(1e9, 2, link)).toBeCloseTo(1 + 2e-5, 9);
  expect(ringSeconds(1e9, 1000, link)).toBeCloseTo(1.998 + 1998e-5, 6);
});

test('between nodes each rank sends its own part', () => {
  expect(sumSeconds(1e9, 2, cluster)).toBeCloseTo(0.1, 5);
  // Gradients are scattered and gathered within nodes (0.1 s), and half of the bytes go once between two (0.5 s).
  expect(sumSeconds(1e9, 4, cluster)).toBeCloseTo(0.6, 4);
});

test('only what the backward pass does not hide costs time', () => {
  expect(stepOn(step, 1, cluster)).toEqual({ seconds: 0.1 + 0.2, waiting: 0, efficiency: 1 });
  const { seconds, waiting, efficiency } = stepOn(step, 4, cluster);
  // The first bucket is summed behind the second half of the backward pass, the second one after it.
  expect(waiting).toBeCloseTo(sumSeconds(1e6, 4, cluster), 12);
  expect(seconds).toBeCloseTo(0.3 + waiting, 12);
  expect(efficiency).toBeCloseTo(0.3 / seconds, 12);
  // On a slow network the buckets queue, and only half of the backward pass can hide the first one.
  const slow = { ...cluster, between: { bytesPerSecond: 1e6, latency: 0 } };
  expect(stepOn(step, 4, slow).waiting).toBeCloseTo(2 * sumSeconds(1e6, 4, slow) - 0.1, 9);
});

test('small sums are waited for one after the other', () => {
  const many = stepOn({ ...step, smallSums: 10 }, 4, cluster).waiting - stepOn(step, 4, cluster).waiting;
  expect(many).toBeCloseTo(10 * sumSeconds(8, 4, cluster), 12);
});

test('buckets fill up in the order of the backward pass', () => {
  const parameters = [3, 3, 5, 1, 1].map((bytes, i) => ({ bytes, ready: (i + 1) / 5 }));
  expect(bucketsOf(parameters, { first: 4, limit: 6 })).toEqual([
    { bytes: 6, ready: 0.4 },
    { bytes: 6, ready: 0.8 },
    { bytes: 1, ready: 1 },
  ]);
  expect(bucketsOf([], { first: 1, limit: 1 })).toEqual([]);
});
