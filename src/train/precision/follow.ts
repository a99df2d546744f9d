/** Applies a schedule of precision to an epoch: its formats before it, its arithmetic after it. */
import type { NativeModel } from '../../native/types/model';
import type { NumberFormats } from '../../native/types/number-formats';
import type { Precision } from '../../native/types/pass';
import { bitOperations, type MultiplyAdds, productsOf } from '../../network/bit-operations';
import { modelledJoules } from '../../network/modelled-energy';
import { rungText } from '../../recipe/ladder';
import { operandsOf } from '../../recipe/operands';
import type { ArithmeticCosts, EpochArithmetic, EpochMetrics } from '../../run/metrics';
import type { Observer } from '../../run/observer';
import type { PrecisionWatch } from './watch';

/**
 * Gives the model the formats of the epoch that begins. `news`: null for an epoch that had begun already, whose formats
 * are known.
 */
export async function takeRung(
  watch: PrecisionWatch | undefined,
  model: NativeModel,
  news: Parameters<PrecisionWatch['observe']>[0] | null,
  observer: Observer | undefined,
): Promise<void> {
  if (!watch) return;
  const { changed, distance } = news ? watch.observe(news) : { changed: false, distance: null };
  const { name, formats } = watch.rung;
  await model.setFormats({ formats });
  const byMasks = watch.chosen.name === 'mask' && distance !== null;
  const why = byMasks ? ` (mask distance ${distance.toFixed(3)})` : '';
  if (changed) observer?.log?.(`forward passes in ${rungText(name)} from epoch index ${news!.epoch} on${why}`);
}

/** Arithmetic of training on `images` images. */
export function epochArithmetic(
  adds: MultiplyAdds,
  images: number,
  {
    formats,
    precision,
    watch,
  }: { formats: NumberFormats | undefined; precision: 'auto' | Precision; watch?: PrecisionWatch | undefined },
): EpochArithmetic {
  const operands = operandsOf(watch?.rung.formats ?? formats, precision);
  const products = productsOf(adds, operands);
  const { weight, activate, error, grad } = operands;
  return {
    bits: { weight: weight.bits, activate: activate.bits, error: error.bits, grad: grad.bits },
    ...(watch ? { forward: watch.rung.name } : {}),
    gbitops: (bitOperations(products) * images) / 1e9,
    modelledJoules: modelledJoules(products) * images,
  };
}

/** Sum of the parts; null where one of them is unknown. */
export function arithmeticSum(parts: readonly (ArithmeticCosts | null | undefined)[]): ArithmeticCosts | null {
  let sum: ArithmeticCosts = { gbitops: 0, modelledJoules: 0 };
  for (const part of parts) {
    if (!part) return null;
    const { gbitops, modelledJoules } = part;
    sum = { gbitops: sum.gbitops + gbitops, modelledJoules: sum.modelledJoules + modelledJoules };
  }
  return sum;
}

/** Sum over epochs; null where one is of a version that did not count. */
export const arithmeticOver = (lines: readonly EpochMetrics[]): ArithmeticCosts | null =>
  arithmeticSum(lines.map(({ arithmetic }) => arithmetic));
