/** Results as text, for people. */

import type { KernelsBench } from '../experiment/bench-kernels';
import type { LoaderBench, LoaderSummary } from '../experiment/bench-loader';
import type { LowPrecisionBench } from '../experiment/bench-low-precision';
import type { BenchResult } from '../experiment/bench-peer';
import type { TrainResult } from '../experiment/eb-train';
import { methodText } from '../experiment/energy-file';
import type { EvaluateResult } from '../experiment/evaluate';
import { formatsText } from '../experiment/low-precision';
import type { RunResult } from '../experiment/network-run';
import { effectLines } from '../experiment/prune-report';
import { formatJoules } from '../report/format';
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
    ...(result.swa
      ? [`SWA: top-1 ${percent(result.swa.top1)}, mean of ${result.swa.n} epochs in full precision: ${result.swa.file}`]
      : []),
    `Best accuracy: ${result.bestPrec1.toFixed(2)} (mean over batches, as the reference prints it)`,
    `parameters ${result.parameters}, forward FLOPs ${result.flops}, ${result.seconds.toFixed(1)} s of training and testing`,
    ...(result.joules == null
      ? []
      : [`energy: ${formatJoules(result.joules)} of training, testing and detection (${result.joulesBy})`]),
    `files: ${result.directory}`,
    ...(result.report ? [`report: ${result.report}`] : []),
  ].join('\n');
}

export function trainText({ ticket, prune, summary, synthetic, report, directory }: TrainResult): string {
  return [
    `ticket p=${ticket.percent}% after ${ticket.completed} epochs: ${ticket.file}`,
    ...effectLines(prune),
    '',
    summaryTable(summary, { synthetic }),
    '',
    report ? `report: ${report}` : `files: ${directory}`,
  ].join('\n');
}

export function evaluateText(result: EvaluateResult): string {
  const { top1, top5, top1BatchMean, top5BatchMean, loss, parameters, flops, dataset, lowPrecision } = result;
  const energy = result.energy?.phases['evaluate/evaluate'];
  const joules = energy?.joules ?? null;
  return [
    `${result.checkpoint} on ${dataset.test} test images of ${dataset.name}${dataset.synthetic ? ' (synthetic)' : ''}`,
    ...(lowPrecision ? [`low precision: ${formatsText(lowPrecision)}`] : []),
    `top-1 ${percent(top1)}, top-5 ${percent(top5)}, loss ${loss.toFixed(4)}`,
    `Prec@1: ${top1BatchMean.toFixed(2)}, Prec@5: ${top5BatchMean.toFixed(2)} (means over batches, as the reference prints them)`,
    `parameters ${parameters}, forward FLOPs ${flops}`,
    ...(joules === null ? [] : [`energy: ${formatJoules(joules)} (${methodText(result.energy!.sources, energy)})`]),
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

export function lowPrecisionText({ model, batchSize, steps, rounds, systems, ratios }: LowPrecisionBench): string {
  const rows = Object.entries(systems).map(([name, { stepMs }]) =>
    [
      name.padEnd(14),
      stepMs.median.toFixed(1).padStart(9),
      `${stepMs.low.toFixed(1)} to ${stepMs.high.toFixed(1)}`.padStart(20),
    ].join(''),
  );
  return [
    `${model}, batch ${batchSize}: medians of ${rounds} runs of ${steps} steps, taking turns; low: 8 bits everywhere, stochastic rounding`,
    '',
    `${''.padEnd(14)}${'ms a step'.padStart(9)}${'range'.padStart(20)}`,
    ...rows,
    '',
    `low-bf16 over bf16: ${ratios.lowPrecisionOverBf16.toFixed(2)}x, over fp32: ${ratios.lowPrecisionOverFp32.toFixed(2)}x; low-fp32 over fp32: ${ratios.lowPrecisionFp32OverFp32.toFixed(2)}x`,
    Object.entries(systems.fp32.runs[0]!.versions)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  ].join('\n');
}

export function loaderText({ data, files, rounds, passes, workers, ours, packed, peers, ratios }: LoaderBench): string {
  const over: Record<string, number | null | undefined> = { ...ratios, packed: undefined };
  const systems = { earlybird: ours, ...(packed ? { packed } : {}), ...peers };
  const row = ([name, { perCore, imagesPerSecond, scaling, residentMib, failure }]: [string, LoaderSummary]) => {
    if (!perCore) return `${name.padEnd(12)}no figure: ${failure}`;
    const all = imagesPerSecond[workers];
    return [
      name.padEnd(12),
      perCore.median.toFixed(1).padStart(11),
      `${perCore.low.toFixed(1)} to ${perCore.high.toFixed(1)}`.padStart(18),
      (workers > 1 && all ? all.median.toFixed(1) : '-').padStart(12),
      (scaling === null ? '-' : `${scaling.toFixed(2)}x`).padStart(9),
      (over[name] == null ? '-' : `${over[name].toFixed(2)}x`).padStart(8),
      (residentMib ? `${residentMib.first.toFixed(0)} to ${residentMib.last.toFixed(0)} MiB` : '-').padStart(20),
    ].join('');
  };
  const head = ['per core', 'range', `${workers} workers`, 'scaling', 'ours', 'memory'];
  const widths = [11, 18, 12, 9, 8, 20];
  const lines = [
    `${files} files under ${data}: images/s, medians of ${rounds} runs of ${passes} passes, taking turns; ours = earlybird / that row`,
    '',
    `${''.padEnd(12)}${head.map((cell, i) => cell.padStart(widths[i]!)).join('')}`,
    ...Object.entries(systems).map(row),
  ];
  if (ratios.packedPillow != null)
    lines.push('', `our shards over Pillow on the files: ${ratios.packedPillow.toFixed(2)}x`);
  return lines.join('\n');
}

export function kernelsText({ bits, rounds, kernels, peer, failure, ratios }: KernelsBench): string {
  const rate = (milliseconds: number, bytes: number) => (bytes / milliseconds / 1e6).toFixed(2).padStart(10);
  const widths = [22, 10, 10, 10, 10];
  const line = (cells: string[]) => cells.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(22))).join('');
  const share = (value: number | null) => (value === null ? '-' : `${value.toFixed(2)}x`);
  return [
    `${bits} bits, GB/s (each value read once and written once): medians of ${rounds} runs, taking turns`,
    '',
    line(['', 'copy', 'quantise', 'eager', 'compiled']),
    ...kernels.map(({ name, bytes, copy, quantize }) =>
      line([
        name,
        rate(copy.median, bytes),
        rate(quantize.median, bytes),
        ...(['eager', 'compiled'] as const).map((mode) => {
          const of = peer[name]?.[mode];
          return of ? rate(of.median, bytes) : '-';
        }),
      ]),
    ),
    '',
    `beyond the caches: ${share(ratios.copy)} of a copy; least of all shapes: ${share(ratios.eager)} eager, ${share(ratios.compiled)} compiled`,
    ...(failure === undefined ? [] : [`peer: no figure: ${failure}`]),
  ].join('\n');
}
