/** Results of `bench kernels` as text. */
import type { KernelsBench } from '../../bench/kernels';
import type { Spread } from '../../measure';
import { columns, times, withMachine } from './cells';

export function kernelsText(result: KernelsBench): string {
  const { bits, format, rounds, kernels, peer, failure, ratios } = result;
  const line = columns(format === 'bfp8' ? 22 : 38, 10, 10, 10, 10);
  return withMachine(result, [
    `${format === 'bfp8' ? `${bits} bits` : format}, GB/s (each value read once and written once): medians of ${rounds} runs, taking turns`,
    '',
    line('', 'copy', 'quantise', 'eager', 'compiled'),
    ...kernels.map(({ name, bytes, copy, quantize }) => {
      const rate = (time: Spread | null | undefined) => (time ? (bytes / time.median / 1e6).toFixed(2) : '-');
      return line(name, rate(copy), rate(quantize), rate(peer[name]?.eager), rate(peer[name]?.compiled));
    }),
    '',
    `beyond the caches: ${times(ratios.copy)} of a copy; lowest of all shapes: ${times(ratios.eager)} eager, ${times(ratios.compiled)} compiled`,
    ...(failure === undefined ? [] : [`peer: no figure: ${failure}`]),
  ]);
}
