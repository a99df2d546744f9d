/** Makes a line of metrics.jsonl from the results of an epoch. */
import { epochJoules } from '../energy/totals';
import type { PassResult } from '../native/types/pass';
import type { AverageMetrics, EnergyTotals, EpochMetrics } from '../run/metrics';
import type { Signals } from '../ticket/watch';

export function metricsLine({
  epoch,
  lr,
  train,
  test,
  average,
  arithmetic,
  spent,
  signals,
  emerged,
}: Pick<EpochMetrics, 'epoch' | 'lr' | 'emerged' | 'arithmetic'> & {
  train: PassResult;
  test: PassResult;
  average: AverageMetrics | undefined;
  spent: EnergyTotals | null;
  signals: Signals;
}): EpochMetrics {
  const { loss, lossBatchMean, top1, top1BatchMean } = train;
  return {
    epoch,
    completed: epoch + 1,
    lr,
    train: { loss, lossBatchMean, top1, top1BatchMean },
    test: { loss: test.loss, top1: test.top1, top1BatchMean: test.top1BatchMean, top5: test.top5 },
    ...(average ? { swa: average } : {}),
    seconds: { train: train.seconds, evaluate: test.seconds, waited: train.waited },
    imagesPerSecond: train.images / train.seconds,
    bad: train.bad?.length ?? 0,
    arithmetic,
    joules: epochJoules(spent),
    ...(spent ? { energy: spent } : {}),
    ...signals,
    emerged,
  };
}
