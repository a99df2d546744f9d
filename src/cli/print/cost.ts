/** Results of `bench energy` and its plan as text, for people. */
import type { EnergyBenchResult } from '../../cost/compare';
import type { JobBenchResult } from '../../cost/job/job';
import { tableOf as jobTable } from '../../cost/job/tables';
import type { EnergyPlan, PlannedRow } from '../../cost/plan';
import type { Estimate } from '../../cost/plan-stages';
import { METHODS } from '../../cost/rows';
import { tableOf } from '../../cost/tables';
import { costText } from '../../report/cost-table';
import { formatBitOps, formatFlops, formatJoules, formatSeconds, MISSING } from '../../report/format';

export function energyText(result: EnergyBenchResult): string {
  return `${costText(tableOf(result))}\n\n${result.files.join('\n')}`;
}

export function jobText(result: JobBenchResult): string {
  return `${costText(jobTable(result))}\n\n${result.files.join('\n')}`;
}

const HEAD = [
  ...['method', 'p', 'seed', 'state', 'dense', 'ticket', 'an image', 'FLOPs', 'exact', 'of base', 'bit ops', 'time'],
  ...['energy', ''],
];

/** One line a row; small letters refer to the assumptions of its figures. */
export function planText({ network, dataset, epochs, images, rows, left, notes }: EnergyPlan): string {
  const assumptions = [...new Set(rows.flatMap((row) => row.assumptions))];
  const reasons = [
    ...new Set(rows.flatMap(({ seconds, joules }) => [seconds.reason ?? [], joules.reason ?? []].flat())),
  ];
  const letter = (text: string) => String.fromCharCode(97 + assumptions.indexOf(text));
  const cells = (row: PlannedRow) => [
    METHODS[row.method].label,
    row.ratio === null ? MISSING : String(row.ratio),
    String(row.seed),
    row.state,
    String(row.epochs.dense),
    String(row.epochs.ticket),
    formatFlops(row.ticketForward),
    formatFlops(row.flops?.paper),
    formatFlops(row.flops?.exact),
    row.overBaseline === null ? MISSING : `${row.overBaseline.toFixed(2)}x`,
    formatBitOps(row.gbitops),
    estimateText(row.seconds, formatSeconds),
    estimateText(row.joules, formatJoules),
    row.assumptions.map(letter).join(' '),
  ];
  const table = [HEAD, ...seedsTogether(rows.map(cells))];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const isText = (column: number) => column === 0 || column === HEAD.length - 1;
  const line = (row: string[]) =>
    row
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [
    `${network} on ${dataset}, ${epochs} epochs of ${images ?? 'an unknown number of'} images: nothing was run`,
    '',
    ...table.map(line),
    '',
    ...assumptions.map((text) => `${letter(text)}: ${text}`),
    ...reasons.map((text) => `${MISSING}: ${text}`),
    ...notes,
    '',
    leftText(left, rows.length),
  ].join('\n');
}

const SEED = HEAD.indexOf('seed');

/** Joins rows that differ only in their seed. */
function seedsTogether(rows: readonly string[][]): string[][] {
  const seeds = new Map<string, string[]>();
  for (const row of rows) {
    const key = JSON.stringify(row.with(SEED, ''));
    seeds.set(key, [...(seeds.get(key) ?? []), row[SEED]!]);
  }
  return [...seeds].map(([key, list]) => (JSON.parse(key) as string[]).with(SEED, list.join(' ')));
}

function leftText({ rows, epochs, flops, gbitops, seconds, joules }: EnergyPlan['left'], all: number): string {
  const known = [
    `${rows} of ${all} rows`,
    `${epochs} epochs`,
    ...(flops === null ? [] : [`${formatFlops(flops)} FLOPs`]),
    ...(gbitops === null ? [] : [`${formatBitOps(gbitops)} bit operations`]),
    ...(seconds.value === null ? [] : [estimateText(seconds, formatSeconds)]),
    ...(joules.value === null ? [] : [estimateText(joules, formatJoules)]),
  ];
  const estimated = [seconds, joules].some(({ value }) => value !== null);
  return `left: ${known.join(', ')}; the dense training of a seed is run once${estimated ? ' (~: estimated)' : ''}`;
}

const estimateText = ({ value, estimated }: Estimate, format: (value: number | null) => string) =>
  value === null ? MISSING : `${estimated ? '~' : ''}${format(value)}`;
