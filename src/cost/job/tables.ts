/** Results of `bench job` as a table, a figure and files. */
import { join } from 'node:path';
import { machineName } from '../../engine/machine';
import type { CostBlock, CostTable, CostValue } from '../../report/cost-table';
import { accuracyAgainstCost } from '../../report/figures';
import type { CostPoint } from '../../report/input';
import { ratioLabel } from '../../report/theme';
import { writeSpec } from '../../report/write';
import { writeFiles } from '../files';
import { unitOf } from '../tables';
import type { JobBench, JobGroup } from './summary';

const NAME = 'bench-job';

type Field =
  | ('top1' | 'denseTop1' | 'train' | 'whole' | 'joules')
  | ('denseEpochs' | 'gbitops' | 'flopsRatio' | 'epochRatio');

export function tableOf(bench: JobBench): CostTable {
  const { groups, network, dataset, epochs, batchSize, ratio, machine, notes } = bench;
  const block = (title: string, kind: CostBlock['kind'], field: Field, unit = 1): CostBlock => ({
    title,
    kind,
    cells: groups.map((group) => [costOf(group, field, unit)]),
  });
  const bits = unitOf(groups, 'gbitops', 1e9);
  const images = `${dataset.train} training and ${dataset.test} test images`;
  return {
    caption: `${network} on ${dataset.name}${dataset.synthetic ? ' (not real images)' : ''}, ${images}, ${epochs} epochs, batches of ${batchSize}; ${machineName(machine)}`,
    methods: groups.map(({ system }) => system),
    columns: [ratioLabel(ratio)],
    main: [
      block('Accuracy (%)', 'accuracy', 'top1'),
      block('Training (s)', 'cost', 'train'),
      block('Whole job (s)', 'cost', 'whole'),
      block('Energy (kJ)', 'cost', 'joules', 1e3),
    ],
    more: [
      block('Dense epochs', 'count', 'denseEpochs'),
      block('Accuracy of the dense network (%)', 'accuracy', 'denseTop1'),
      ...(groups.some(({ gbitops }) => gbitops)
        ? [block(`Bit operations (${bits.name})`, 'cost', 'gbitops', bits.size / 1e9)]
        : []),
      block('FLOPs, ticket over dense', 'cost', 'flopsRatio'),
      block('Seconds of an epoch, ticket over dense', 'cost', 'epochRatio'),
    ],
    notes,
  };
}

function costOf(group: JobGroup, field: Field, unit: number): CostValue | null {
  const { [field]: value, against, energyEstimated } = group;
  if (!value) return null;
  const gains: Partial<Record<Field, number | null>> = against ? { ...against, top1: -against.top1.mean } : {};
  return {
    mean: value.mean / unit,
    sd: value.sd === null ? null : value.sd / unit,
    gain: gains[field],
    estimated: field === 'joules' && energyEstimated,
  };
}

/** Writes JSON, Markdown and LaTeX under the folder of the runs; returns their paths. */
export const writeJob = (save: string, bench: JobBench): Promise<string[]> =>
  writeFiles(save, NAME, bench, tableOf(bench));

/** Draws accuracy against the seconds of training. */
export function drawJob(save: string, { groups, dataset, network, ratio }: JobBench) {
  const points = groups.flatMap(({ system, top1, train }): CostPoint[] =>
    top1 && train
      ? [{ method: system, ratio, top1: top1.mean, top1Sd: top1.sd, cost: train.mean, costSd: train.sd }]
      : [],
  );
  return writeSpec(join(save, NAME), accuracyAgainstCost(points, { network, quantity: 'training (s)' }, dataset));
}
