/** Draws accuracy against the cost of training, with methods by colour and pruning ratios by shape. */
import type { CostPoint } from '../input';
import { type Dataset, finite, frame, ratioLabel, type Spec } from '../theme';

const UNPRUNED = 'not pruned';

/** Axes of the figure and the network in its title. */
interface CostAxes {
  network: string;
  /** Title of the horizontal axis, with its unit. */
  quantity: string;
}

export function accuracyAgainstCost(
  points: CostPoint[],
  { network, quantity }: CostAxes,
  dataset: Dataset,
): Spec | null {
  const shown = points.filter(({ top1, cost }) => finite(top1) !== null && finite(cost) !== null);
  if (shown.length === 0) return null;
  const values = shown.map(({ method, ratio, top1, top1Sd, cost, costSd }) => ({
    method,
    ratio: ratio === null ? UNPRUNED : ratioLabel(ratio),
    top1,
    cost,
    // Accuracies and costs have these bounds, whatever the standard deviation.
    top1Low: Math.max(0, top1 - (top1Sd ?? 0)),
    top1High: Math.min(100, top1 + (top1Sd ?? 0)),
    costLow: Math.max(0, cost - (costSd ?? 0)),
    costHigh: cost + (costSd ?? 0),
  }));
  // The legend is shared with the rules of the standard deviations, which are fainter than the points.
  const legend = { orient: 'right', title: null, symbolOpacity: 1 };
  const color = { field: 'method', type: 'nominal', sort: null, legend };
  const highest = Math.max(...values.map(({ costHigh }) => costHigh));
  // The scale leaves room at the end, so that the frame does not cut a mark.
  const scale = { domain: [0, 1.05 * highest || 1], nice: false };
  const x = { type: 'quantitative', title: quantity, scale };
  const y = { type: 'quantitative', title: 'top-1 (%)', scale: { zero: false, padding: 8 } };
  const spread = { type: 'rule', strokeWidth: 1, opacity: 0.6 };
  return frame(dataset, {
    vconcat: [
      {
        title: { text: network, anchor: 'start' },
        width: 380,
        height: 260,
        data: { values },
        layer: [
          {
            mark: spread,
            encoding: { x: { ...x, field: 'cost' }, y: { ...y, field: 'top1Low' }, y2: { field: 'top1High' }, color },
          },
          {
            mark: spread,
            encoding: { x: { ...x, field: 'costLow' }, x2: { field: 'costHigh' }, y: { ...y, field: 'top1' }, color },
          },
          {
            mark: { type: 'point', filled: true, size: 60, opacity: 1 },
            encoding: {
              x: { ...x, field: 'cost' },
              y: { ...y, field: 'top1' },
              color,
              shape: { field: 'ratio', type: 'nominal', sort: null, legend },
            },
          },
        ],
      },
    ],
  });
}
