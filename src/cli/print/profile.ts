/** Results of `bench profile` as text. */
import type { ProfileBench } from '../../bench/profile';
import { medianAndRange, percent, withMachine } from './cells';

/** Shortens a name, as names of C++ templates have hundreds of characters. */
const shortened = (name: string, most = 90) => (name.length > most ? `${name.slice(0, most - 3)}...` : name);

export function profileText(result: ProfileBench): string {
  const { source, work, roofline, shares, ceilings, stepMs, device, normalisation, ticket } = result;
  const what = ticket === null ? result.model : `the ticket of ${result.model}, p = ${ticket.ratio}`;
  const row = (name: string, calls: number, milliseconds: number, share?: number) =>
    [
      milliseconds.toFixed(3).padStart(10),
      calls.toFixed(1).padStart(10),
      (share === undefined ? '' : percent(share)).padStart(9),
      `  ${name}`,
    ].join('');
  const ofGpu = source === 'kernels';
  return withMachine(result, [
    `${what}, batch ${result.batchSize}, ${result.precision} on ${device}: ${medianAndRange(stepMs, 2)} ms a step`,
    '',
    `By ${ofGpu ? 'kernels of the GPU' : 'operators on the host, their own time'}, of one step:`,
    `${'ms'.padStart(10)}${'calls'.padStart(10)}${'share'.padStart(9)}`,
    ...result.families.map(({ family, calls, milliseconds, share }) => row(family, calls, milliseconds, share)),
    '',
    ...result.top.map(({ name, calls, milliseconds }) => row(shortened(name), calls, milliseconds)),
    '',
    ofGpu
      ? `${result.kernels.toFixed(0)} kernels and ${result.launches.toFixed(1)} launches a step; idle ${result.idleMs.toFixed(3)} ms in ${result.gaps.toFixed(1)} gaps, the longest ${result.longestGapMs.toFixed(3)} ms`
      : `${result.kernels.toFixed(0)} operators a step; ${result.idleMs.toFixed(3)} ms in none of them`,
    ...(device !== 'cpu' && !ofGpu
      ? ["The GPU's profiler (CUPTI) gave nothing: these are calls of the host, not kernels."]
      : []),
    '',
    `ceilings: copy ${ceilings.copyGBps.toFixed(1)} GB/s, ${ceilings.matmulPrecision} product ${ceilings.matmulTflops.toFixed(3)} TFLOP/s`,
    `arithmetic ${roofline.arithmeticMs.toFixed(3)} ms (${(work.flops / 1e9).toFixed(1)} GFLOP): the step reaches ${percent(shares.arithmetic)} of the matrix rate`,
    `traffic    ${roofline.trafficMs.toFixed(3)} ms (${(work.bytes / 1e6).toFixed(1)} MB): ${percent(shares.traffic)} of the copy rate`,
    ...(normalisation.copyShare === null
      ? []
      : [
          `normalisation moves ${(normalisation.bytes / 1e6).toFixed(1)} MB: ${percent(normalisation.copyShare)} of the copy rate`,
        ]),
    `roofline   ${roofline.stepMs.toFixed(3)} ms: the step reaches ${percent(shares.roofline)} of it`,
  ]);
}
