/** Results of `bench step` as text: beside a peer, beside busy programs, for a ticket, in low precision. */
import type { LoadBench } from '../../bench/beside-load';
import type { LowPrecisionBench } from '../../bench/low-precision';
import type { StepBench } from '../../bench/step-peer';
import type { TicketBench } from '../../bench/ticket';
import { columns, range, times, versionsText, withMachine } from './cells';

export function stepText(result: StepBench | TicketBench | LowPrecisionBench | LoadBench): string {
  if ('busy' in result) return loadText(result);
  if ('memoryRatios' in result) return peerText(result);
  return 'overFlops' in result ? ticketText(result) : lowPrecisionText(result);
}

const howOften = ({ rounds, steps }: { rounds: number; steps: number }) =>
  `medians of ${rounds} runs of ${steps} steps, taking turns`;

function peerText(result: StepBench): string {
  const { model, batchSize, systems, ratios, memoryRatios } = result;
  const line = columns(12, 5, 11, 18, 8, 10, 8);
  return withMachine(result, [
    `${model}, batch ${batchSize}: ${howOften(result)}; ours = earlybird / that row`,
    '',
    line('', 'dtype', 'images/s', 'range', 'ours', 'memory', 'ours'),
    ...Object.entries(systems).map(([name, { runs, imagesPerSecond, residentMib, failure }]) =>
      imagesPerSecond
        ? line(
            name,
            runs[0]!.dtype,
            imagesPerSecond.median.toFixed(1),
            range(imagesPerSecond, 1),
            times(ratios[name]),
            residentMib ? `${residentMib.median.toFixed(0)} MiB` : '-',
            times(memoryRatios[name]),
          )
        : line(name, `no figure: ${failure}`),
    ),
    '',
    versionsText(systems.earlybird!.runs[0]!.versions),
  ]);
}

export function loadText(result: LoadBench): string {
  const { model, batchSize, busy, systems, ratios, ratioOfRatios, worst } = result;
  const line = columns(12, 6, 10, 10, 18, 6, 8, 8, 22);
  const programs = busy === 1 ? '1 busy program' : `${busy} busy programs`;
  const modes = Object.keys(ratios);
  return withMachine(result, [
    `${model}, batch ${batchSize}, quiet and beside ${programs}: ${howOften(result)}${modes.length > 0 ? '; ours = earlybird / that row' : ''}`,
    '',
    line('', 'dtype', 'quiet', 'loaded', 'range', 'left', ...(modes.length > 0 ? ['ours', 'loaded', 'of quiet'] : [])),
    ...Object.entries(systems).map(([name, { dtype, quiet, loaded, left, failure }]) => {
      if (!quiet || !loaded) return line(name, `no figure: ${failure}`);
      const kept = ratioOfRatios[name];
      return line(
        name,
        dtype,
        quiet.median.toFixed(1),
        loaded.median.toFixed(1),
        range(loaded, 1),
        left!.toFixed(2),
        ...(ratios[name] ? [times(ratios[name].quiet), times(ratios[name].loaded)] : []),
        ...(kept ? [`${kept.median.toFixed(2)} (${range(kept, 2)})`] : []),
      );
    }),
    ...(worst === null
      ? []
      : ['', `lowest of all rounds: ${worst.toFixed(2)} of the quiet ratio to the fastest mode of the peer`]),
  ]);
}

export function ticketText(result: TicketBench): string {
  const { model, batchSize, ticket, systems, overFlops, ratios } = result;
  const { ratio, roundTo, flopsRatio, parameterRatio } = ticket;
  const line = columns(12, 12, 12, 8, 8);
  return withMachine(result, [
    `${model}, batch ${batchSize}, ticket at p = ${ratio}${widthsText(roundTo)}: ${howOften(result)}`,
    '',
    line('', 'dense, ms', 'ticket, ms', 'ratio', 'ours'),
    ...Object.entries(systems).map(([name, { dense, ticket: small, stepRatio, failure }]) =>
      dense && small
        ? line(name, dense.median.toFixed(2), small.median.toFixed(2), stepRatio!.toFixed(3), times(ratios[name]))
        : line(name, `no figure: ${failure}`),
    ),
    '',
    `FLOPs ratio ${flopsRatio.toFixed(3)}, parameters ${parameterRatio.toFixed(3)}: our step ratio is ${times(overFlops)} the FLOPs ratio`,
    ...Object.entries(systems).flatMap(([name, { stepRatio }]) =>
      stepRatio !== null && stepRatio >= 1 ? [`${name}: the ticket is not faster than the dense network`] : [],
    ),
  ]);
}

const widthsText = (roundTo: number | 'auto') =>
  roundTo === 1 ? '' : roundTo === 'auto' ? ', widths rounded where it is faster' : `, widths rounded to ${roundTo}`;

function lowPrecisionText(result: LowPrecisionBench): string {
  const { model, batchSize, systems, ratios, format } = result;
  const { lowPrecisionOverBf16, lowPrecisionOverFp32, lowPrecisionFp32OverFp32 } = ratios;
  const line = columns(14, 9, 20);
  return withMachine(result, [
    `${model}, batch ${batchSize}: ${howOften(result)}; low: ${format === 'bfp8' ? '8 bits everywhere, stochastic rounding' : `operands of convolutions in ${format}`}`,
    '',
    line('', 'ms a step', 'range'),
    ...Object.entries(systems).map(([name, { stepMs }]) => line(name, stepMs.median.toFixed(1), range(stepMs, 1))),
    '',
    `low-bf16 over bf16: ${times(lowPrecisionOverBf16)}, over fp32: ${times(lowPrecisionOverFp32)}; low-fp32 over fp32: ${times(lowPrecisionFp32OverFp32)}`,
    versionsText(systems.fp32.runs[0]!.versions),
  ]);
}
