/** What a GPU has to reach: the targets of the fastest engine, as data, and whether the parts of a benchmark meet them. */

export interface Target {
  work: string;
  measure: string;
  /** File of the part, without .json, and where in it the figure is. Of several the least counts. */
  from: readonly (readonly [part: string, ...path: string[]])[];
  /** At least, or below. */
  least?: number;
  most?: number;
  /** How figures are written. */
  unit: 'times' | 'percent' | 'seconds';
}

export type Verdict = 'met' | 'missed' | 'no figure' | 'stated' | 'other batch size';

/** Images of a step that the targets are for. */
const BATCH = 256;

export interface Judged {
  work: string;
  measure: string;
  target: string;
  figure: number | null;
  shown: string;
  verdict: Verdict;
}

const training = (
  work: string,
  model: string,
  reference: number,
  best: number,
  floor: readonly [measure: string, field: string, least?: number],
): Target[] => [
  {
    work,
    measure: 'against peer reference',
    from: [[`step-${model}`, 'ratios', 'reference']],
    least: reference,
    unit: 'times',
  },
  {
    work,
    measure: 'against the best of peer tuned and compiled',
    from: [
      [`step-${model}`, 'best'],
      [`compiled-${model}`, 'best'],
    ],
    least: best,
    unit: 'times',
  },
  {
    work,
    measure: floor[0],
    from: [[`profile-${model}`, 'shares', floor[1]]],
    ...(floor[2] === undefined ? {} : { least: floor[2] }),
    unit: 'percent',
  },
];

export const TARGETS: readonly Target[] = [
  ...training('VGG-16 on CIFAR, batch 256', 'vgg16', 15, 1.15, ['share of its floor', 'floor', 0.4]),
  ...training('PreResNet-101 on CIFAR, batch 256', 'preresnet101', 8, 1.3, [
    'share of the traffic floor',
    'traffic',
    0.5,
  ]),
  ...training('ResNet-18 at 224, batch 256', 'resnet18', 3, 1.05, ['share of its floor', 'floor']),
  ...training('ResNet-50 at 224, batch 256', 'resnet50', 3, 1.05, ['share of its floor', 'floor']),
  ...['vgg16', 'preresnet101'].map(
    (model): Target => ({
      work: `masks of three ratios, distances, detection: ${model}`,
      measure: 'share of the epoch',
      from: [[`detect-${model}`, 'share']],
      most: 0.001,
      unit: 'percent',
    }),
  ),
  {
    work: 'VGG-16 ticket at p = 0.5, widths rounded to 8',
    measure: "against the peer's same ticket",
    from: [['ticket-vgg16', 'best']],
    least: 1,
    unit: 'times',
  },
  {
    work: 'VGG-16 ticket at p = 0.5, widths rounded to 8',
    measure: 'step time ratio over FLOPs ratio',
    from: [['ticket-vgg16', 'overFlops']],
    most: 1.25,
    unit: 'times',
  },
  {
    work: 'full VGG-16 search, three prunings and retrainings, matrices, report',
    measure: 'seconds of scripts/bench/full-cifar.sh',
    from: [['full-cifar', 'seconds']],
    most: 480,
    unit: 'seconds',
  },
];

const shown = (value: number, unit: Target['unit']): string =>
  unit === 'times'
    ? `${value.toFixed(2)}x`
    : unit === 'percent'
      ? `${Number((100 * value).toPrecision(3))} %`
      : `${value.toFixed(0)} s`;

/** `parts`: results by name; a part that gave none is null or absent. */
export function judge(parts: Readonly<Record<string, unknown>>, targets: readonly Target[] = TARGETS): Judged[] {
  return targets.map(({ work, measure, from, least, most, unit }) => {
    const found = from.flatMap(([part, ...path]) => numberAt(parts[part], path) ?? []);
    const figure = found.length > 0 ? Math.min(...found) : null;
    const other = from.some(([part]) => (numberAt(parts[part], ['batchSize']) ?? BATCH) !== BATCH);
    return {
      work,
      measure,
      target:
        least !== undefined ? `>= ${shown(least, unit)}` : most !== undefined ? `< ${shown(most, unit)}` : 'stated',
      figure,
      shown: figure === null ? '-' : shown(figure, unit),
      verdict: other && figure !== null ? 'other batch size' : verdictOf(figure, least, most),
    };
  });
}

function verdictOf(figure: number | null, least: number | undefined, most: number | undefined): Verdict {
  if (figure === null) return 'no figure';
  if (least === undefined && most === undefined) return 'stated';
  return figure >= (least ?? Number.NEGATIVE_INFINITY) && figure < (most ?? Number.POSITIVE_INFINITY)
    ? 'met'
    : 'missed';
}

function numberAt(value: unknown, path: readonly string[]): number | null {
  const found = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], value);
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}
