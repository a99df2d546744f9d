import type { PrunedLayer } from '../../native/types/model';
import type { Costs } from '../../network/flops';
import { type PruneReport, pythonList } from '../../prune/report';

/** The log of a pruning: lines after the reference's, with BN layers counted from 1, then totals. */
export function pruneLog(report: PruneReport): string {
  const { before, after, layers, maskMemoryKB: memory, maskFlops: flops, cfg, roundTo, ticket } = report;
  // The reference counts before it revives a channel; with rounded widths the mask is another one.
  const remaining = ({ kept, clamped }: PrunedLayer) => (roundTo !== 1 ? kept : kept - clamped);
  return [
    `original model param: ${before.parametersWithIndexes}`,
    `original model flops: ${before.flops}`,
    ...layers.map(
      (layer, i) => `layer index: ${i + 1} \t total channel: ${layer.total} \t remaining channel: ${remaining(layer)}`,
    ),
    `Memory Request: ${memory.toFixed(2)}KB`,
    `Flops for pruning: ${(flops / 1e6).toFixed(2)}M`,
    `cfg: ${pythonList(cfg)}`,
    `new model param: ${after.parametersWithIndexes}`,
    `new model flops: ${after.flops}`,
    ...effectLines(report),
    `saved ${ticket}`,
  ].join('\n');
}

/** Difference between requested and actual share of channels above which the log mentions it. */
const FAR = 0.1;

/** Lines on the channels, parameters and FLOPs that were removed. */
export function effectLines({
  ratio,
  criterion = 'gamma',
  budget = 'channels',
  effective,
  surgery,
  time,
  timeMissing,
  roundTo,
  after,
  unrounded,
}: PruneReport): string[] {
  const share = (value: number) => `${(100 * value).toFixed(2)}%`;
  const { channels, parameters, flops, time: saved = null } = effective;
  const timed = saved === null ? '' : `, ${share(saved)} of step time`;
  const lines = [
    `pruned: ${share(channels)} of channels, ${share(parameters)} of parameters, ${share(flops)} of forward FLOPs${timed} (${surgery} surgery)`,
    time ? stepText(time, 1 - flops) : `training step: ${timeMissing}, at ${(1 - flops).toFixed(2)}x the FLOPs`,
    ...(time && !time.noisy && time.ratio >= 1 ? [NOT_FASTER] : []),
    ...(budget === 'channels' ? farFrom(ratio, channels, criterion) : []),
  ];
  if (unrounded === null) return lines;
  const row = (name: string, costs: Costs, step: number | null | undefined) =>
    `${name}: parameters ${costs.parameters}, forward FLOPs ${costs.flops}, training step ${step == null ? '-' : milliseconds(step)}`;
  return [
    ...lines,
    row(roundTo === 'auto' ? 'widths by time' : `multiples of ${roundTo}`, after, time?.ticket),
    row('without rounding', unrounded, unrounded.step),
  ];
}

const NOT_FASTER = 'the ticket is not faster than the dense network on this machine';

const milliseconds = (value: number) => `${value.toFixed(1)} ms`;

/** Ratio of the step times beside that of the FLOPs, with a remark where other programs disturbed the measurement. */
function stepText(time: NonNullable<PruneReport['time']>, flops: number): string {
  const { batchSize, imageSize, ratio, ranges, noisy = false } = time;
  const one = (name: 'dense' | 'ticket') => {
    const range = ranges?.[name];
    const shown = range ? ` (${range.low.toFixed(1)} to ${range.high.toFixed(1)})` : '';
    return `${name} ${milliseconds(time[name])}${shown}`;
  };
  const both = `${ratio.toFixed(2)}x at ${flops.toFixed(2)}x the FLOPs`;
  const verdict = noisy ? `${both}; too noisy to compare, other programs use this machine` : both;
  return `training step, ${batchSize} images of ${imageSize} px, median and range of 5: ${one('dense')}, ${one('ticket')}: ${verdict}`;
}

function farFrom(asked: number, gone: number, criterion: string): string[] {
  if (Math.abs(asked - gone) <= FAR) return [];
  const why =
    gone > asked
      ? criterion === 'gamma'
        ? 'many |gamma| equal the threshold and go with it; a longer search tells them apart'
        : 'many scores equal the threshold and go with it'
      : 'masked channels stay where another layer reads them, as in residual streams, and by --protective and --round-to';
  return [`warning: ${(100 * asked).toFixed(0)}% were asked for: ${why}`];
}
