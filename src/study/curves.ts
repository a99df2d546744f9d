/** Collects the data of a study's figures. */
import type { DotPoint, StudyCurve } from '../report/input';
import type { StudyGroup } from './groups';
import type { Estimate } from './statistics';

export interface Curves {
  /** Curves of accuracy against drawing epoch. */
  draws: StudyCurve[];
  /** Points of tickets and controls. */
  dots: DotPoint[];
}

export function curvesOf(groups: readonly StudyGroup[], dense: Estimate | null): Curves {
  const shown = groups.filter(({ top1, epoch }) => top1 && epoch);
  const ratios = [...new Set(shown.map(({ ratio }) => ratio))];
  const draws = ratios.map((ratio): StudyCurve => {
    const own = shown.filter((group) => group.ratio === ratio && group.control === null);
    const points = own.map(({ draw, epoch, top1 }) => ({
      epoch: epoch!.mean,
      top1: top1!.mean,
      low: top1!.low,
      high: top1!.high,
      draw,
    }));
    return { ratio, points: points.sort((a, b) => a.epoch - b.epoch), dense: dense?.mean ?? null };
  });
  const compared = new Set(shown.flatMap(({ control, draw }) => (control === null ? [] : draw)));
  const dots = shown.flatMap(({ ratio, draw, control, top1 }): DotPoint[] =>
    compared.has(draw)
      ? [{ ratio, group: draw, name: control ?? 'ticket', value: top1!.mean, low: top1!.low, high: top1!.high }]
      : [],
  );
  return { draws, dots };
}
