/** The files of a study: JSON, CSV of every run, tables in Markdown and LaTeX, and figures. */
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { machineLine } from '../cost/same-machine';
import { formatsOf, formatsText } from '../recipe/precision';
import { controlDots, studyCurves } from '../report/figures';
import { formatBitOps, formatSigned, MISSING } from '../report/format';
import { csvText, type PlainTable, plainLatex, plainMarkdown, plainText } from '../report/plain-table';
import { ratioLabel } from '../report/theme';
import { type WrittenFigures, writeSpec } from '../report/write';
import type { StudyGroup } from './groups';
import type { Difference, Estimate } from './statistics';
import type { Study } from './summary';

const NAME = 'study';

const HEAD = [
  'draw',
  'run',
  'n',
  'epoch',
  'top-1 (%)',
  'equal FLOPs',
  'over emergence',
  'over ticket',
  'kept',
  'FLOPs',
  'cost',
];

/** A table for each ratio. Bit operations are included for low precision, as FLOPs do not tell formats apart. */
export function tablesOf({ groups, recipe }: Pick<Study, 'groups' | 'recipe'>): PlainTable[] {
  const inFormats = formatsOf(recipe) !== undefined;
  const ratios = [...new Set(groups.map(({ ratio }) => ratio))];
  return ratios.map((ratio) => ({
    title: ratioLabel(ratio),
    head: inFormats ? [...HEAD, 'bit ops'] : HEAD,
    names: 2,
    rows: groups
      .filter((group) => group.ratio === ratio)
      .sort(byEpoch)
      .map((group) => (inFormats ? [...rowOf(group), formatBitOps(group.gbitops?.mean)] : rowOf(group))),
  }));
}

const byEpoch = (a: StudyGroup, b: StudyGroup) =>
  Number(a.control !== null) - Number(b.control !== null) || (a.epoch?.mean ?? 0) - (b.epoch?.mean ?? 0);

function rowOf(group: StudyGroup): string[] {
  const { draw, control, n, of, failed, collapsed, epoch, top1, atBudget } = group;
  const marks = `${failed > 0 ? `, ${failed} failed` : ''}${collapsed > 0 ? `, ${collapsed} collapsed` : ''}`;
  return [
    draw,
    control ?? 'ticket',
    `${n}/${of}${marks}`,
    epoch ? meanText(epoch, epoch.sd ? 1 : 0) : MISSING,
    intervalText(top1),
    intervalText(atBudget, n),
    differenceText(group.overEmergence, n),
    differenceText(group.overTicket, n),
    group.kept ? group.kept.mean.toFixed(2) : MISSING,
    group.forward ? `${group.forward.mean.toFixed(2)}x` : MISSING,
    group.cost ? `${group.cost.mean.toFixed(2)}x` : MISSING,
  ];
}

const meanText = ({ mean, sd }: Estimate, digits: number) =>
  `${mean.toFixed(digits)}${sd ? ` ± ${sd.toFixed(digits)}` : ''}`;

/** Remark where a figure covers fewer seeds than its row. */
const fewer = (value: Estimate, n: number) => (value.n < n ? ` (n = ${value.n})` : '');

function intervalText(value: Estimate | null, n = 0): string {
  if (!value) return MISSING;
  const { mean, low, high } = value;
  return `${mean.toFixed(2)}${low === null ? '' : ` [${low.toFixed(2)}, ${high!.toFixed(2)}]`}${fewer(value, n)}`;
}

/** A difference as text, with = where it is equivalent, and * where the interval excludes 0. */
function differenceText(value: Difference | null, n: number): string {
  if (!value) return MISSING;
  const { mean, low, high, equivalence } = value;
  if (low === null || high === null) return `${formatSigned(mean)}${fewer(value, n)}`;
  const marks = `${equivalence?.equivalent ? ' =' : ''}${low > 0 || high < 0 ? ' *' : ''}`;
  return `${formatSigned(mean)} [${formatSigned(low)}, ${formatSigned(high)}]${marks}${fewer(value, n)}`;
}

const LEGEND =
  'n: finished runs of the seeds. Over emergence, over ticket: paired difference in points; =: equivalent, *: the interval leaves out 0. kept: share of channels; FLOPs: of the ticket over dense, forward; cost: search and retraining over dense training.';

const BIT_OPS = ' bit ops: bit operations of search and retraining (docs/cost.md).';
const legendOf = ({ recipe }: Study) => (formatsOf(recipe) ? LEGEND + BIT_OPS : LEGEND);
/** Number formats of the runs, where they are in low precision. */
const formatsIn = ({ recipe }: Study) => {
  const formats = formatsOf(recipe);
  return formats ? `; ${formatsText(formats)}` : '';
};

function captionOf(study: Study): string {
  const { network, dataset, recipe, machine, dense } = study;
  return `${network} on ${dataset.name}${dataset.synthetic ? ' (not real images)' : ''}, ${dataset.train} training and ${dataset.test} test images, ${recipe.epochs} epochs, seeds ${recipe.seeds.join(', ')}${formatsIn(study)}; dense top-1 ${intervalText(dense.top1)}; ${machineLine(machine)}`;
}

export function studyText(study: Study): string {
  const parts = [
    captionOf(study),
    ...tablesOf(study).map(plainText),
    legendOf(study),
    study.verdicts.join('\n'),
    study.notes.join('\n'),
  ];
  return parts.join('\n\n');
}

export function studyMarkdown(study: Study): string {
  const list = (lines: readonly string[]) => lines.map((line) => `- ${line.replace(/[|\\*_<>~]/g, '\\$&')}`).join('\n');
  const parts = [
    captionOf(study),
    '## Verdicts',
    list(study.verdicts),
    '## Tables',
    ...tablesOf(study).map(plainMarkdown),
    list([legendOf(study), ...study.notes]),
  ];
  return `${parts.join('\n\n')}\n`;
}

export function studyLatex(study: Study): string {
  const comments = [captionOf(study), ...study.verdicts, legendOf(study), ...study.notes];
  return [
    '% needs \\usepackage{booktabs}',
    ...comments.map((line) => `% ${line.replaceAll('\n', ' ')}`),
    ...tablesOf(study).map(plainLatex),
    '',
  ].join('\n');
}

/** CSV with a line for each run. The values after each epoch of a retraining are in study.json. */
export function studyCsv({ runs }: Study): string {
  const head = [
    ...[
      'ratio',
      'seed',
      'epoch',
      'draws',
      'run',
      'state',
      'top1',
      'top1_best',
      'collapsed',
      'kept',
      'channels',
      'parameters',
    ],
    ...['forward_flops', 'search_flops', 'retrain_flops', 'search_gbitops', 'retrain_gbitops', 'seconds', 'failure'],
  ];
  const lines = runs.map(({ ratio, seed, epoch, draws, control, state, failure, result }) => [
    ...[ratio, seed, epoch, draws.join(' '), control ?? 'ticket', state],
    ...[result?.top1 ?? null, result?.top1Best ?? null, result ? String(result.collapsed) : null],
    ...[result?.kept ?? null, result?.channels ?? null, result?.parameters ?? null, result?.forward ?? null],
    ...[result?.flops.search ?? null, result?.flops.retrain ?? null],
    ...[result?.gbitops?.search ?? null, result?.gbitops?.retrain ?? null, result?.seconds ?? null, failure ?? null],
  ]);
  return csvText([head, ...lines]);
}

/** Writes study.json, .csv, .md and .tex under `save`; returns their paths. */
export async function writeStudy(save: string, study: Study): Promise<string[]> {
  const contents = {
    json: `${JSON.stringify(study, null, 1)}\n`,
    csv: studyCsv(study),
    md: studyMarkdown(study),
    tex: studyLatex(study),
  };
  const files = Object.entries(contents).map(([kind, text]) => [join(save, `${NAME}.${kind}`), text] as const);
  for (const [file, text] of files) await writeFileAtomic(file, text, { makeFolder: true });
  return files.map(([file]) => file);
}

/** Draws accuracy against drawing epoch, and the controls. */
export async function drawStudy(save: string, { curves, dataset, network }: Study): Promise<WrittenFigures> {
  const written = [
    await writeSpec(join(save, `${NAME}-draws`), studyCurves(curves.draws, network, dataset)),
    await writeSpec(join(save, `${NAME}-controls`), controlDots(curves.dots, network, dataset)),
  ];
  return {
    figures: written.flatMap(({ figures }) => figures),
    notes: [...new Set(written.flatMap(({ notes }) => notes))],
  };
}
