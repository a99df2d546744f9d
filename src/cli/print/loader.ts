/** Results of `bench loader` as text. */
import type { LoaderBench, LoaderSummary } from '../../bench/loader';
import { columns, range, times, withMachine } from './cells';

export function loaderText(result: LoaderBench): string {
  const { data, files, rounds, passes, workers, ours, packed, cached, peers, ratios } = result;
  const systems: Record<string, LoaderSummary> = {
    earlybird: ours,
    ...(packed && { packed }),
    ...(cached && { cached }),
    ...peers,
  };
  const line = columns(12, 11, 18, 12, 9, 8, 20);
  const overPeers = (what: string, of: Record<string, number | null> = {}) => {
    const known = Object.entries(of).flatMap(([mode, ratio]) => (ratio === null ? [] : [`${mode} ${times(ratio)}`]));
    return known.length > 0 ? [`our ${what} over the peer on the files: ${known.join(', ')}`] : [];
  };
  const more = [
    ...overPeers('shards', result.packedRatios),
    ...overPeers('cache', result.cachedRatios),
    ...(result.cachedOverPacked ? [`our cache over our shards: ${times(result.cachedOverPacked)}`] : []),
  ];
  return withMachine(result, [
    `${files} files under ${data}: images/s, medians of ${rounds} runs of ${passes} passes, taking turns; ours = earlybird / that row`,
    '',
    line('', 'per core', 'range', `${workers} workers`, 'scaling', 'ours', 'memory'),
    ...Object.entries(systems).map(([name, { perCore, imagesPerSecond, scaling, residentMib, failure }]) => {
      if (!perCore) return line(name, `no figure: ${failure}`);
      const all = workers > 1 ? imagesPerSecond[workers] : null;
      return line(
        name,
        perCore.median.toFixed(1),
        range(perCore, 1),
        all ? all.median.toFixed(1) : '-',
        times(scaling),
        times(ratios[name]),
        residentMib ? `${residentMib.first.toFixed(0)} to ${residentMib.last.toFixed(0)} MiB` : '-',
      );
    }),
    ...(more.length > 0 ? ['', ...more] : []),
  ]);
}
