/** Results of the benchmarks that look closer, as text, for people. */
import type { BenchComparison } from '../../bench/compare';
import type { DetectBench } from '../../bench/detect';
import type { KernelsBench } from '../../bench/kernels';
import type { LoaderBench, LoaderSummary } from '../../bench/loader';
import type { LowPrecisionBench } from '../../bench/low-precision';
import type { ProfileBench } from '../../bench/profile';
import type { BenchReport } from '../../bench/report';
import type { BenchResult } from '../../bench/step-peer';
import type { Judged } from '../../bench/targets';
import type { TicketBench } from '../../bench/ticket';
import { type Machine, machineText } from '../../engine/machine';
import type { Spread } from '../../measure';

/** Figures mean nothing without their machine. */
export const withMachine = ({ machine }: { machine: Machine }, text: string): string =>
  `${text}\n\n${machineText(machine)}`;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const times = (ratio: number | null) => (ratio === null ? '-' : `${ratio.toFixed(2)}x`);
const range = ({ median, low, high }: Spread, digits = 2) =>
  `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;

/** Names of templates go on for hundreds of characters. */
const shortened = (name: string, most = 90) => (name.length > most ? `${name.slice(0, most - 3)}...` : name);

export function profileText(result: ProfileBench): string {
  const { source, work, floors, shares, ceilings, stepMs } = result;
  const row = (name: string, calls: number, milliseconds: number, share?: number) =>
    [
      milliseconds.toFixed(3).padStart(10),
      calls.toFixed(1).padStart(10),
      (share === undefined ? '' : percent(share)).padStart(9),
      `  ${name}`,
    ].join('');
  const gpu = result.device !== 'cpu';
  return [
    `${result.model}, batch ${result.batchSize}, ${result.precision} on ${result.device}: ${range(stepMs)} ms a step`,
    '',
    `By ${source === 'kernels' ? 'kernels of the GPU' : 'operators on the host, their own time'}, of one step:`,
    `${'ms'.padStart(10)}${'calls'.padStart(10)}${'share'.padStart(9)}`,
    ...result.families.map(({ family, calls, milliseconds, share }) => row(family, calls, milliseconds, share)),
    '',
    ...result.top.map(({ name, calls, milliseconds }) => row(shortened(name), calls, milliseconds)),
    '',
    source === 'kernels'
      ? `${result.kernels.toFixed(0)} kernels and ${result.launches.toFixed(1)} launches a step; idle ${result.idleMs.toFixed(3)} ms in ${result.gaps.toFixed(1)} gaps, the longest ${result.longestGapMs.toFixed(3)} ms`
      : `${result.kernels.toFixed(0)} operators a step; ${result.idleMs.toFixed(3)} ms in none of them`,
    ...(gpu && source === 'operators'
      ? ["The GPU's profiler (CUPTI) gave nothing: these are calls of the host, not kernels."]
      : []),
    '',
    `ceilings: copy ${ceilings.copyGBps.toFixed(1)} GB/s, ${ceilings.matmulPrecision} product ${ceilings.matmulTflops.toFixed(3)} TFLOP/s`,
    `arithmetic floor ${floors.arithmeticMs.toFixed(3)} ms (${(work.flops / 1e9).toFixed(1)} GFLOP): the step reaches ${percent(shares.arithmetic)} of the matrix rate`,
    `traffic floor    ${floors.trafficMs.toFixed(3)} ms (${(work.bytes / 1e6).toFixed(1)} MB): ${percent(shares.traffic)} of the copy rate`,
    `floor            ${floors.floorMs.toFixed(3)} ms: the step reaches ${percent(shares.floor)} of it`,
  ].join('\n');
}

export function detectText(result: DetectBench): string {
  const { model, channels, ratios, detectMs, wholeMs, epochSeconds, share, shareWithoutFiles, device } = result;
  return [
    `${model} on ${device}: masks of ${ratios.join(', ')} over ${channels} channels, distances, detection: ${range(detectMs, 3)} ms`,
    `with the masks written to their files: ${range(wholeMs, 3)} ms`,
    `${(100 * share).toFixed(4)} % of an epoch of ${epochSeconds.toFixed(2)} s, ${(100 * shareWithoutFiles).toFixed(4)} % without the files`,
  ].join('\n');
}

export function ticketText({ model, batchSize, ticket, systems, overFlops, ratios, ...rest }: TicketBench): string {
  const cell = (text: string, width: number) => text.padStart(width);
  return [
    `${model}, batch ${batchSize}, ticket at p = ${ticket.ratio}${ticket.roundTo > 1 ? `, widths rounded to ${ticket.roundTo}` : ''}: ` +
      `medians of ${rest.rounds} runs of ${rest.steps} steps, taking turns`,
    '',
    `${''.padEnd(12)}${cell('dense, ms', 12)}${cell('ticket, ms', 12)}${cell('ratio', 8)}${cell('ours', 8)}`,
    ...Object.entries(systems).map(([name, { dense, ticket: small, stepRatio, failure }]) =>
      failure !== undefined || !dense || !small
        ? `${name.padEnd(12)}no figure: ${failure}`
        : [
            name.padEnd(12),
            cell(dense.median.toFixed(2), 12),
            cell(small.median.toFixed(2), 12),
            cell(stepRatio!.toFixed(3), 8),
            cell(times(ratios[name] ?? null), 8),
          ].join(''),
    ),
    '',
    `FLOPs ratio ${ticket.flopsRatio.toFixed(3)}, parameters ${ticket.parameterRatio.toFixed(3)}: our step ratio is ${times(overFlops)} the FLOPs ratio`,
  ].join('\n');
}

export function compareText({ a, b, machine, figures, differences }: BenchComparison): string {
  const width = Math.max(...figures.map(({ name }) => name.length)) + 2;
  return [
    `${a} and ${b}, both of ${machine.fingerprint}: medians`,
    '',
    `${''.padEnd(width)}${'A'.padStart(12)}${'B'.padStart(12)}${'B / A'.padStart(9)}`,
    ...figures.map(
      ({ name, a: x, b: y, ratio, overlap }) =>
        `${name.padEnd(width)}${x.toPrecision(5).padStart(12)}${y.toPrecision(5).padStart(12)}${times(ratio).padStart(9)}` +
        `${overlap ? '  ranges overlap' : ''}`,
    ),
    ...differences.map(({ name, a: x, b: y }) => `not the same: ${name} ${x} and ${y}`),
  ].join('\n');
}

export function reportText(report: BenchReport): string {
  const wide = (pick: (row: Judged) => string) => Math.max(...report.targets.map((row) => pick(row).length));
  const [work, measure, target] = [wide((row) => row.work), wide((row) => row.measure), wide((row) => row.target)];
  return [
    ...report.targets.map((row) =>
      [
        row.work.padEnd(work + 2),
        row.measure.padEnd(measure + 2),
        row.target.padEnd(target + 2),
        row.shown.padStart(9),
        `  ${row.verdict}`,
        row.dtype === null ? '' : `, ${row.dtype}`,
        row.rounds === null ? '' : `, rounds ${row.rounds}`,
      ].join(''),
    ),
    '',
    ...report.parts
      .filter(({ status }) => status !== 0)
      .map(({ name, failure }) => `${name}: no figure: ${failure ?? ''}`),
    machineText(report.machine),
    `written: ${report.files.json}, ${report.files.markdown}`,
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

export function loaderText({
  data,
  files,
  rounds,
  passes,
  workers,
  ours,
  packed,
  peers,
  ratios,
  packedRatios = {},
}: LoaderBench): string {
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
  const shards = Object.entries(packedRatios).flatMap(([mode, ratio]) =>
    ratio === null ? [] : [`${mode} ${ratio.toFixed(2)}x`],
  );
  if (shards.length > 0) lines.push('', `our shards over the peer on the files: ${shards.join(', ')}`);
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
