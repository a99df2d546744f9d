/** What a GPU has to reach: the targets of the fastest engine, as data, and whether the parts of a benchmark meet them. */
import type { Spread } from '../measure';

export interface Target {
  work: string;
  measure: string;
  /**
   * File of the part, without .json, and where in it the figure is. Of several, named by their last word, the worst counts, and all
   * are needed.
   */
  from: readonly (readonly [part: string, ...path: string[]])[];
  /** At least, or below. */
  least?: number;
  most?: number;
  /** How figures are written. */
  unit: 'times' | 'percent' | 'seconds';
}

export type Verdict =
  | 'met'
  | `met, ${string} only`
  | 'missed'
  | 'no figure'
  | 'stated'
  | 'other batch size'
  | 'other epochs'
  | 'quick sizes';

/** What the targets are for, by the word that a part says it with. */
const SIZES = [
  ['batchSize', 256, 'other batch size'],
  ['epochs', 160, 'other epochs'],
  ['quick', false, 'quick sizes'],
] as const;

export interface Judged {
  work: string;
  measure: string;
  target: string;
  figure: number | null;
  shown: string;
  /** "bf16 / fp32": ours and the peer's; null where the part does not say. */
  dtype: string | null;
  /** Rounds, and the lowest and highest ratio of two of their runs: "2, 1.10x to 1.20x". */
  rounds: string | null;
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
    from: [[`reference-${model}`, 'ratios', 'reference']],
    least: reference,
    unit: 'times',
  },
  {
    work,
    measure: 'against the best of peer tuned and compiled',
    from: [
      [`step-${model}`, 'ratios', 'tuned'],
      [`compiled-${model}`, 'ratios', 'compiled'],
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

const TICKET = 'VGG-16 ticket at p = 0.5, widths rounded to 8';
const ticketBeside = (field: string) =>
  [
    ['ticket-vgg16', field, 'tuned'],
    ['ticket-compiled-vgg16', field, 'compiled'],
  ] as const;

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
    work: TICKET,
    measure: "against the peer's same ticket",
    from: ticketBeside('ratios'),
    least: 1,
    unit: 'times',
  },
  {
    work: TICKET,
    measure: 'step time ratio over FLOPs ratio',
    from: [['ticket-vgg16', 'overFlops']],
    most: 1.25,
    unit: 'times',
  },
  {
    work: TICKET,
    measure: "step time ratio over the peer's step time ratio",
    from: ticketBeside('overPeer'),
    most: 1,
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
    const found = from.flatMap(([part, ...path]) => {
      const value = numberAt(parts[part], path);
      return value === null ? [] : [{ value, name: path.at(-1)!, part: parts[part] }];
    });
    // Of equal ones the first.
    const worst = found.reduce<(typeof found)[number] | null>(
      (a, b) => (a === null || (most === undefined ? b.value < a.value : b.value > a.value) ? b : a),
      null,
    );
    const figure = worst?.value ?? null;
    const verdict = verdictOf(figure, least, most);
    const only = verdict === 'met' && found.length < from.length;
    const other = SIZES.find(([key, wanted]) => found.some(({ part }) => (valueAt(part, [key]) ?? wanted) !== wanted));
    return {
      work,
      measure,
      target:
        least !== undefined ? `>= ${shown(least, unit)}` : most !== undefined ? `< ${shown(most, unit)}` : 'stated',
      figure,
      shown: figure === null ? '-' : shown(figure, unit),
      dtype: worst && dtypeOf(worst.part, worst.name),
      rounds: worst && roundsOf(worst.part, worst.name),
      verdict: other ? other[2] : only ? `met, ${found.map(({ name }) => name).join(' and ')} only` : verdict,
    };
  });
}

function verdictOf(
  figure: number | null,
  least: number | undefined,
  most: number | undefined,
): 'met' | 'missed' | 'no figure' | 'stated' {
  if (figure === null) return 'no figure';
  if (least === undefined && most === undefined) return 'stated';
  return figure >= (least ?? Number.NEGATIVE_INFINITY) && figure < (most ?? Number.POSITIVE_INFINITY)
    ? 'met'
    : 'missed';
}

const OURS = 'earlybird';

/** Of ours and, where the figure is beside a peer's, of that. */
function dtypeOf(part: unknown, peer: string): string | null {
  const of = (system: string) => {
    const dtype =
      valueAt(part, ['systems', system, 'runs', '0', 'dtype']) ?? valueAt(part, ['systems', system, 'dtype']);
    return typeof dtype === 'string' ? dtype : null;
  };
  const own = of(OURS) ?? valueAt(part, ['precision']);
  if (typeof own !== 'string') return null;
  const theirs = of(peer);
  return theirs === null ? own : `${own} / ${theirs}`;
}

/** Of a rate beside a peer's. */
function roundsOf(part: unknown, peer: string): string | null {
  const rounds = numberAt(part, ['rounds']);
  if (rounds === null) return null;
  const [ours, theirs] = [OURS, peer].map(
    (system) => valueAt(part, ['systems', system, 'imagesPerSecond']) as Partial<Spread> | null | undefined,
  );
  if (!ours?.low || !ours.high || !theirs?.low || !theirs.high || rounds < 2) return String(rounds);
  return `${rounds}, ${shown(ours.low / theirs.high, 'times')} to ${shown(ours.high / theirs.low, 'times')}`;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], value);
}

function numberAt(value: unknown, path: readonly string[]): number | null {
  const found = valueAt(value, path);
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}
