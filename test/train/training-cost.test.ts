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

test('bit operations are those of the epochs of both stages, over the dense network in full precision', () => {
  const stages = {
    ticket: { completed: 4 },
    search: { flops: 100, multiplyAdds: { first: 1e6, inner: 2e6, linear: 1e6 } },
    prune: { completed: 4 },
    retrain: { flops: 40 },
  };
  const [search, retrain] = [
    { gbitops: 12, modelledJoules: 1 },
    { gbitops: 34, modelledJoules: 2 },
  ];
  const recipe = { epochs: 10, fromScratch: false, precision: 'bf16' } as const;
  const { arithmetic } = trainingCost(stages, recipe, 50, { search, retrain });
  const dense = { gbitops: (3 * 4e6 * 16 * 16 * 500) / 1e9, modelledJoules: expect.closeTo(3 * 4e6 * 2e-12 * 500) };
  expect(arithmetic).toEqual({ search, retrain, dense });
  expect(trainingCost(stages, recipe, 50, { search, retrain: null })).not.toHaveProperty('arithmetic');
});
