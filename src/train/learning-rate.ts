/**
 * The learning rate of an epoch: `lr`, multiplied by 0.1 once for every milestone in `schedule` at or below its index (reference:
 * main.py). The repeated multiplication is deliberate: 0.1 after one milestone is 0.010000000000000002, as in the reference. A run that
 * starts late or resumes has the same rate as one that never stopped.
 */
export function learningRate(epoch: number, lr: number, schedule: readonly number[]): number {
  let rate = lr;
  for (const milestone of schedule) if (epoch >= milestone) rate *= 0.1;
  return rate;
}
