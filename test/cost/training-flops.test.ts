import { shareOfDense } from '../../src/cost/training-flops';
import type { TrainResult } from '../../src/train/eb-train';

test('EB Train costs its dense epochs and those of the ticket, which a ticket with new weights has all before it', () => {
  const stages = {
    ticket: { completed: 4 },
    search: { flops: 100 },
    prune: { completed: 4 },
    retrain: { flops: 40 },
  } as TrainResult;
  expect(shareOfDense(stages, { epochs: 10, fromScratch: false })).toBeCloseTo(0.64);
  expect(shareOfDense(stages, { epochs: 10, fromScratch: true })).toBeCloseTo(0.8);
});
