import { learningRate } from '../../src/train/learning-rate';

test('the reference schedule, with its rounding', () => {
  const rates = [0, 79, 80, 119, 120, 159].map((epoch) => learningRate(epoch, 0.1, [80, 120]));
  expect(rates).toEqual([
    0.1, 0.1, 0.010000000000000002, 0.010000000000000002, 0.0010000000000000002, 0.0010000000000000002,
  ]);
});

test('depends on the epoch index alone, so late starts and resumes need no history', () => {
  expect(learningRate(130, 0.1, [120, 80])).toBe(learningRate(130, 0.1, [80, 120]));
  expect(learningRate(5, 0.5, [])).toBe(0.5);
  expect(learningRate(0, 1, [0])).toBe(0.1);
});
