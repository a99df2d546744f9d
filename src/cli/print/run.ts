/** Results as text, for people. */

import { methodText } from '../../energy/file';
import { speedText, type TicketSpeed } from '../../prune/speed';
import { formatsText } from '../../recipe/precision';
import { formatBitOps, formatJoules } from '../../report/format';
import { MODELLED, summaryTable, trainingHeadline } from '../../report/table';
import { epochsText } from '../../run/names';
import { round2 } from '../../run/record';
import type { RunResult } from '../../run/result';
import type { TrainResult } from '../../train/eb-train';
import type { EvaluateResult } from '../../train/evaluate';
import { effectLines } from './prune';

const percent = (value: number | null) => (value === null ? '-' : `${value.toFixed(2)}%`);

/**
 * Text of a run. `asReference`: adds the accuracy that the reference prints, a mean over batches, beside the exact one.
 */
export function runText(
  result: RunResult & { report: string | null; speed?: TicketSpeed | null },
  asReference = false,
): string {
  const tickets = Object.entries(result.tickets).map(
    ([p, { file, completed }]) => `ticket p=${p}% after ${epochsText(completed)}: ${file}`,
  );
  return [
    ...tickets,
    `epochs completed: ${result.completed}`,
    `top-1 last ${percent(result.top1Last)}, best ${percent(result.top1Best)} (chosen on the test set)`,
    ...(result.swa
      ? [`SWA: top-1 ${percent(result.swa.top1)}, mean of ${result.swa.n} epochs in full precision: ${result.swa.file}`]
      : []),
    ...(asReference ? [`Best accuracy: ${result.bestPrec1.toFixed(2)} (mean over batches)`] : []),
    `parameters ${result.parameters}, forward FLOPs ${result.flops}, ${result.seconds.toFixed(1)} s of training and testing`,
    ...(result.arithmetic
      ? [
          `bit operations of training: ${formatBitOps(result.arithmetic.gbitops)}`,
          `${MODELLED}: ${formatJoules(result.arithmetic.modelledJoules)}`,
        ]
      : []),
    ...(result.joules == null
      ? []
      : [`energy: ${formatJoules(result.joules)} of training, testing and detection (${result.joulesBy})`]),
    ...(result.speed ? [speedText(result.speed)] : []),
    `files: ${result.directory}`,
    ...(result.report ? [`report: ${result.report}`] : []),
  ].join('\n');
}

export function trainText({
  ticket,
  prune,
  summary,
  synthetic,
  report,
  directory,
  trainingFlops,
  speed,
}: TrainResult & { report: string | null }): string {
  return [
    `ticket p=${ticket.percent}% after ${epochsText(ticket.completed)}: ${ticket.file}`,
    ...effectLines(prune),
    '',
    trainingHeadline(trainingFlops),
    speedText(speed),
    '',
    summaryTable(summary, { synthetic }),
    '',
    report ? `report: ${report}` : `files: ${directory}`,
  ].join('\n');
}

export function evaluateText(result: EvaluateResult, asReference = false): string {
  const { top1, top5, top1BatchMean, top5BatchMean, loss, parameters, flops, dataset, lowPrecision } = result;
  const energy = result.energy?.phases['evaluate/evaluate'];
  const joules = energy?.joules ?? null;
  return [
    `${result.checkpoint} on ${dataset.test} test images of ${dataset.name}${dataset.synthetic ? ' (synthetic)' : ''}`,
    ...(lowPrecision ? [`low precision: ${formatsText(lowPrecision)}`] : []),
    `top-1 ${percent(top1)}, top-5 ${percent(top5)}, loss ${loss.toFixed(4)}`,
    ...(asReference
      ? [
          `Prec@1: ${round2(top1BatchMean).toFixed(2)}, Prec@5: ${round2(top5BatchMean).toFixed(2)} (means over batches)`,
        ]
      : []),
    `parameters ${parameters}, forward FLOPs ${flops}`,
    ...(joules === null ? [] : [`energy: ${formatJoules(joules)} (${methodText(result.energy!.sources, energy)})`]),
  ].join('\n');
}
