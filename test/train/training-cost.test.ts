import { trainingCost } from '../../src/train/training-cost';

test('EB Train costs its dense epochs and those of the ticket, which a ticket with new weights has all before it', () => {
  const stages = {
    ticket: { completed: 4 },
    search: { flops: 100 },
    prune: { completed: 4 },
    retrain: { flops: 40 },
  };
  // Three forward passes for each of 50 images.
  const dense = 3 * 100 * 10 * 50;
  expect(trainingCost(stages, { epochs: 10, fromScratch: false, precision: 'auto' }, 50)).toEqual({
    ebTrain: 3 * (4 * 100 + 6 * 40) * 50,
    dense,
    ratio: 0.64,
    epochs: 10,
  });
  expect(trainingCost(stages, { epochs: 10, fromScratch: true, precision: 'auto' }, 50)).toMatchObject({
    dense,
    ratio: 0.8,
  });
});
