/** Results as text, for people. */
import type { BenchResult } from '../experiment/bench-peer';
import type { TrainResult } from '../experiment/eb-train';
import type { EvaluateResult } from '../experiment/evaluate';
import type { RunResult } from '../experiment/network-run';
import { summaryTable } from '../report/table';

const percent = (value: number | null) => (value === null ? '-' : `${value.toFixed(2)}%`);

export function runText(result: RunResult & { report: string | null }): string {
  const tickets = Object.entries(result.tickets).map(
    ([p, { file, completed }]) => `ticket p=${p}% after ${completed} epochs: ${file}`,
  );
  return [
    ...tickets,
    `epochs completed: ${result.completed}`,
    `top-1 last ${percent(result.top1Last)}, best ${percent(result.top1Best)} (chosen on the test set)`,
    `Best accuracy: ${result.bestPrec1.toFixed(2)} (mean over batches, as the reference prints it)`,
    `parameters ${result.parameters}, forward FLOPs ${result.flops}, ${result.seconds.toFixed(1)} s of training and testing`,
    `files: ${result.directory}`,
    ...(result.report ? [`report: ${result.report}`] : []),
  ].join('\n');
}

export function trainText({ ticket, summary, synthetic, report, directory }: TrainResult): string {
  return [
    `ticket p=${ticket.percent}% after ${ticket.completed} epochs: ${ticket.file}`,
    '',
    summaryTable(summary, { synthetic }),
    '',
    report ? `report: ${report}` : `files: ${directory}`,
  ].join('\n');
}

export function evaluateText(result: EvaluateResult): string {
  const { top1, top5, top1BatchMean, top5BatchMean, loss, parameters, flops, dataset } = result;
  return [
    `${result.checkpoint} on ${dataset.test} test images of ${dataset.name}${dataset.synthetic ? ' (synthetic)' : ''}`,
    `top-1 ${percent(top1)}, top-5 ${percent(top5)}, loss ${loss.toFixed(4)}`,
    `Prec@1: ${top1BatchMean.toFixed(2)}, Prec@5: ${top5BatchMean.toFixed(2)} (means over batches, as the reference prints them)`,
    `parameters ${parameters}, forward FLOPs ${flops}`,
  ].join('\n');
}

export function benchText({ model, batchSize, steps, rounds, systems, ratios, memoryRatios }: BenchResult): string {
  const cell = (value: string | undefined, width: number) => (value ?? '-').padStart(width);
  const rows = Object.entries(systems).map(([name, { runs, imagesPerSecond, residentMib, failure }]) => {
    if (!imagesPerSecond) return `${name.padEnd(12)}no figure: ${failure}`;
    const { median, low, high } = imagesPerSecond;
    return [
      name.padEnd(12),
      cell(runs[0]!.dtype, 5),
      cell(median.toFixed(1), 11),
      cell(`${low.toFixed(1)} to ${high.toFixed(1)}`, 18),
      cell(ratios[name] == null ? undefined : `${ratios[name].toFixed(2)}x`, 8),
      cell(residentMib ? `${residentMib.median.toFixed(0)} MiB` : undefined, 10),
      cell(memoryRatios[name] == null ? undefined : `${memoryRatios[name].toFixed(2)}x`, 8),
    ].join('');
  });
  const head = `${''.padEnd(12)}${cell('dtype', 5)}${cell('images/s', 11)}${cell('range', 18)}${cell('ours', 8)}${cell('memory', 10)}${cell('ours', 8)}`;
  const [{ versions } = { versions: {} }] = systems.earlybird!.runs;
  return [
    `${model}, batch ${batchSize}: medians of ${rounds} runs of ${steps} steps, taking turns; ours = earlybird / that row`,
    '',
    head,
    ...rows,
    '',
    Object.entries(versions)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  ].join('\n');
}
