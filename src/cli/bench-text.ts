/** Results of the benchmarks that look closer, as text, for people. */
import type { BenchComparison } from '../experiment/bench-compare';
import type { DetectBench } from '../experiment/bench-detect';
import type { ProfileBench } from '../experiment/bench-profile';
import type { Spread } from '../experiment/bench-runs';
import type { TicketBench } from '../experiment/bench-ticket';
import { type Machine, machineText } from '../experiment/machine';

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
