import type { EpochMetrics } from '../../src/run/metrics';

/** A line of metrics.jsonl with these values. */
export function metrics(epoch: number, loss: number, train: number, test: number): EpochMetrics {
  return {
    epoch,
    completed: epoch + 1,
    lr: 0.1,
    train: { loss, lossBatchMean: loss, top1: train, top1BatchMean: train },
    test: { loss, top1: test, top1BatchMean: test, top5: test },
    seconds: { train: 1, evaluate: 1 },
    imagesPerSecond: 1,
    joules: null,
    distances: {},
    emerged: {},
  };
}
