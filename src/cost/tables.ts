/** Results of `bench energy` as tables, a figure and files. */
import { join } from 'node:path';
import { sameWays } from '../energy/totals';
import type { CostBlock, CostTable, CostValue } from '../report/cost-table';
import { accuracyAgainstCost } from '../report/figures';
import type { CostPoint } from '../report/input';
import { ratioLabel } from '../report/theme';
import { writeSpec } from '../report/write';
import { writeFiles } from './files';
import { METHODS } from './rows';
import { machineLine } from './same-machine';
import type { EnergyBench, EnergyGroup } from './summary';

const NAME = 'bench-energy';

/**
 * Units, of which the first is taken in which the largest mean is at least 1, so that small trainings are not all zero.
 */
const UNITS = [
  { size: 1e15, name: 'P' },
  { size: 1e12, name: 'T' },
  { size: 1e9, name: 'G' },
];

type Field =
  | ('top1' | 'top1Best' | 'joules' | 'paperFlops' | 'exactFlops')
  | ('gbitops' | 'modelledJoules' | 'seconds' | 'drawn' | 'co2');

export function tableOf(bench: EnergyBench): CostTable {
  const { groups, network, dataset, epochs } = bench;
  const methods = [...new Set(groups.map(({ method }) => method))];
  const ratios = [...new Set(groups.flatMap(({ ratio }) => ratio ?? []))];
  // Without a ratio (dense alone) there is one column.
  const columns: (number | null)[] = ratios.length > 0 ? ratios : [null];
  const block = (title: string, kind: CostBlock['kind'], field: Field, unit = 1): CostBlock => ({
    title,
    kind,
    cells: methods.map((method) =>
      columns.map((ratio) => {
        const own = groups.filter((group) => group.method === method);
        const group = own.find((candidate) => candidate.ratio === null || candidate.ratio === ratio);
        return group ? costOf(group, field, unit) : null;
      }),
    ),
  });
  /** Block of the table for a counted figure. `size`: unit of the numbers in the field. */
  const counted = (title: string, field: 'paperFlops' | 'exactFlops' | 'gbitops', size = 1) => {
    const unit = unitOf(groups, field, size);
    return block(`${title} (${unit.name})`, 'cost', field, unit.size / size);
  };
  const known = (field: Field) => groups.some((group) => group[field]);
  return {
    caption: `${network} on ${dataset.name}${dataset.synthetic ? ' (not real images)' : ''}, ${epochs} epochs; ${machineLine(bench.machine)}`,
    methods: methods.map((method) => METHODS[method].label),
    columns: columns.map((ratio) => (ratio === null ? 'not pruned' : ratioLabel(ratio))),
    main: [
      block('Accuracy (%)', 'accuracy', 'top1'),
      block('Energy (kJ)', 'cost', 'joules', 1e3),
      counted('FLOPs', 'paperFlops'),
    ],
    more: [
      counted('FLOPs, exact', 'exactFlops'),
      ...(known('gbitops') ? [counted('Bit operations', 'gbitops', 1e9)] : []),
      ...(known('modelledJoules') ? [block('Multiply-adds, modelled (J)', 'cost', 'modelledJoules')] : []),
      block('Time (s)', 'cost', 'seconds'),
      block('Best accuracy (%)', 'accuracy', 'top1Best'),
      ...(known('drawn') ? [block('Drawn after epochs', 'count', 'drawn')] : []),
      ...(known('co2') ? [block('CO2 (g)', 'cost', 'co2')] : []),
    ],
    notes: bench.notes,
  };
}

/** Unit for a counted figure. `size`: unit of the numbers in the field. */
export function unitOf<F extends string>(
  groups: readonly { [field in F]: { mean: number } | null }[],
  field: F,
  size = 1,
) {
  const largest = size * Math.max(...groups.map((group) => group[field]?.mean ?? 0));
  // The paper's tables give FLOPs in P, however large, so E is for bit operations only.
  const units = field === 'gbitops' ? [{ size: 1e18, name: 'E' }, ...UNITS] : UNITS;
  return units.find(({ size }) => largest >= size) ?? units.at(-1)!;
}

const isCompared = (field: Field): field is keyof NonNullable<EnergyGroup['gain']> =>
  !['top1Best', 'drawn', 'co2', 'modelledJoules'].includes(field);

function costOf(group: EnergyGroup, field: Field, unit: number): CostValue | null {
  const value = group[field];
  if (!value) return null;
  const { mean, sd } = value;
  const gain = isCompared(field) ? group.gain?.[field] : null;
  const estimated = (field === 'joules' || field === 'co2') && group.energyEstimated;
  return { mean: mean / unit, sd: sd === null ? null : sd / unit, gain, estimated };
}

/** Writes JSON, Markdown and LaTeX under the folder of the runs; returns their paths. */
export const writeTables = (save: string, bench: EnergyBench): Promise<string[]> =>
  writeFiles(save, NAME, bench, tableOf(bench));

/** Draws accuracy against energy, or against FLOPs where some energy is unknown or covers other parts. */
export function drawFigure(save: string, { groups, dataset, network }: EnergyBench) {
  const done = groups.filter(({ n }) => n > 0);
  const ways = done.find(({ energyWays }) => energyWays.length > 0)?.energyWays ?? [];
  const metered = done.every(({ joules, energyWays }) => joules !== null && sameWays(energyWays, ways));
  const flops = unitOf(done, 'exactFlops');
  const points = done.flatMap((group): CostPoint[] => {
    const [cost, size] = metered ? [group.joules, 1e3] : [group.exactFlops, flops.size];
    if (!cost || !group.top1) return [];
    return [
      {
        method: METHODS[group.method].label,
        ratio: group.ratio,
        top1: group.top1.mean,
        top1Sd: group.top1.sd,
        cost: cost.mean / size,
        costSd: cost.sd === null ? null : cost.sd / size,
      },
    ];
  });
  const estimated = done.some(({ energyEstimated }) => energyEstimated);
  const quantity = metered
    ? `energy of training (kJ${estimated ? ', estimated' : ''})`
    : `training FLOPs (${flops.name}, exact)`;
  return writeSpec(join(save, NAME), accuracyAgainstCost(points, { network, quantity }, dataset));
}
