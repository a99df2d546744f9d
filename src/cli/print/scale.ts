/** The result of `bench scale` as text. */
import { OURS } from '../../bench/rounds';
import type { ScaleBench } from '../../bench/scale';
import { columns, range, times, withMachine } from './cells';

export function scaleText(result: ScaleBench): string {
  const { model, batchSize, steps, rounds, rows, ratios, syncBn, gradientDtype } = result;
  const ways = [
    ...(syncBn ? ['--sync-bn'] : []),
    ...(gradientDtype === 'fp32' ? [] : [`--gradient-dtype ${gradientDtype}`]),
  ];
  const line = columns(12, 6, 8, 11, 18, 10, 16, 12, 8);
  return withMachine(result, [
    `${model}, ${batchSize} images a step over all ranks: medians of ${rounds} runs of ${steps} steps, taking turns`,
    ...(ways.length > 0 && rows.some(({ system }) => system !== OURS)
      ? [`${ways.join(' and ')} in ours alone: DDP sums gradients in fp32, with statistics of each rank`]
      : []),
    '',
    line('', 'ranks', 'threads', 'images/s', 'range', 'over 1', 'waiting, ms', 'of the step', 'ours'),
    ...rows.map(({ system, ranks, threads, imagesPerSecond, overOne, waitedMs, waitedShare, failure }) =>
      imagesPerSecond
        ? line(
            system,
            String(ranks),
            `${ranks} x ${threads}`,
            imagesPerSecond.median.toFixed(1),
            range(imagesPerSecond, 1),
            times(overOne),
            waitedMs ? waitedMs.median.toFixed(1) : '-',
            waitedShare === null ? '-' : `${(100 * waitedShare).toFixed(1)}%`,
            system === OURS ? '-' : times(ratios[ranks]),
          )
        : line(system, String(ranks), `${ranks} x ${threads}`, `no figure: ${failure}`),
    ),
  ]);
}
