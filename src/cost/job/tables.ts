/** Results of `bench job` as a table, a figure and files. */
import { join } from 'node:path';
import { writeFileAtomic } from '../../atomic';
import { machineName } from '../../engine/machine';
import type { Statistic } from '../../measure';
import { type CostBlock, type CostTable, type CostValue, costLatex, costMarkdown } from '../../report/cost-table';
import { accuracyAgainstCost } from '../../report/figures';
import type { CostPoint } from '../../report/input';
import { ratioLabel } from '../../report/theme';
import { writeSpec } from '../../report/write';
import type { JobBench, JobGroup } from './summary';

const NAME = 'bench-job';

export function tableOf({ groups, network, dataset, epochs, batchSize, ratio, machine, notes }: JobBench): CostTable {
  const block = (
    title: string,
    kind: CostBlock['kind'],
    value: (group: JobGroup) => Statistic | null,
    gain: (group: JobGroup) => number | null | undefined = () => null,
    more: (group: JobGroup) => Partial<CostValue> = () => ({}),
  ): CostBlock => ({
    title,
    kind,
    cells: groups.map((group) => {
      const statistic = value(group);
      return [statistic && { mean: statistic.mean, sd: statistic.sd, gain: gain(group), ...more(group) }];
    }),
  });
  const less = ({ against }: JobGroup) => against && -against.top1.mean;
  return {
    caption: `${network} on ${dataset.name}${dataset.synthetic ? ' (not real images)' : ''}, ${dataset.train} training and ${dataset.test} test images, ${epochs} epochs, batches of ${batchSize}; ${machineName(machine)}`,
    methods: groups.map(({ system }) => system),
    columns: [ratioLabel(ratio)],
    main: [
      block('Accuracy (%)', 'accuracy', ({ top1 }) => top1, less),
      block(
        'Training (s)',
        'cost',
        ({ train }) => train,
        ({ against }) => against?.train,
      ),
      block(
        'Energy (J)',
        'cost',
        ({ joules }) => joules,
        ({ against }) => against?.joules,
        ({ energyEstimated }) => ({
          estimated: energyEstimated,
        }),
      ),
    ],
    more: [
      block(
        'Whole job (s)',
        'cost',
        ({ whole }) => whole,
        ({ against }) => against?.whole,
      ),
      block('Dense epochs', 'count', ({ denseEpochs }) => denseEpochs),
      block('Accuracy of the dense network (%)', 'accuracy', ({ denseTop1 }) => denseTop1),
      block('FLOPs, ticket over dense', 'cost', ({ flopsRatio }) => flopsRatio),
      block('Seconds of an epoch, ticket over dense', 'cost', ({ epochRatio }) => epochRatio),
    ],
    notes,
  };
}

/** JSON, Markdown and LaTeX under the folder of the runs; returns their paths. */
export async function writeJob(save: string, bench: JobBench): Promise<string[]> {
  const table = tableOf(bench);
  const contents = {
    json: `${JSON.stringify(bench, null, 2)}\n`,
    md: costMarkdown(table),
    tex: costLatex(table),
  };
  const files = Object.entries(contents).map(([kind, text]) => [join(save, `${NAME}.${kind}`), text] as const);
  for (const [file, text] of files) await writeFileAtomic(file, text);
  return files.map(([file]) => file);
}

/** Accuracy against the seconds of training. */
export function drawJob(save: string, { groups, dataset, network, ratio }: JobBench) {
  const points = groups.flatMap(({ system, top1, train }): CostPoint[] =>
    top1 && train
      ? [{ method: system, ratio, top1: top1.mean, top1Sd: top1.sd, cost: train.mean, costSd: train.sd }]
      : [],
  );
  return writeSpec(join(save, NAME), accuracyAgainstCost(points, { network, quantity: 'training (s)' }, dataset));
}
