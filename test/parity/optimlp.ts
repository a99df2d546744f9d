import type { NativeAddon } from '../../src/native/types';
import { type Case, skipped } from './lib/case';
import { Checks } from './lib/checks';
import { lowPrecisionStep, type Parameter } from './lib/low-precision-step';
import type { Context } from './lib/networks';
import { centred, ORDINAL, type Seed } from './lib/random';
import { elements, floatsOfHex } from './lib/tensors';

interface StepJson {
  grad_quantised_hex: Record<string, string>;
  weight_hex: Record<string, string>;
  momentum_hex: Record<string, string>;
}

interface CaseJson {
  case: string;
  seed: Seed;
  wl: { weight: number; grad: number; momentum: number };
  lr: number;
  momentum: number;
  weight_decay: number;
  shapes?: Record<string, number[]>;
  start_hex: Record<string, string>;
  steps: StepJson[];
}

/**
 * Three steps on plain tensors, in the order of the wrapper: gradient quantised, SGD in float32, weights quantised (those
 * without gradient too), momentum quantised. test/native/low-precision holds the fused step against the same.
 */
export function* cases(context: Context): Iterable<Case> {
  for (const one of context.reference.json<{ cases: CaseJson[] }>('optimlp.json').cases) {
    const name = `optimlp ${one.case}`;
    if (one.shapes) yield { name, run: () => check(context.addon, one) };
    else yield skipped(name, 'its network is none of ours');
  }
}

async function check(addon: NativeAddon, run: CaseJson): Promise<string> {
  const checks = new Checks();
  const { wl: lengths, lr, momentum, weight_decay: weightDecay } = run;
  for (const [ordinal, name] of Object.keys(run.shapes!).entries()) {
    const shape = run.shapes![name]!;
    const weight = floatsOfHex(run.start_hex[name]!);
    let parameter: Parameter = { shape, weight, momentum: new Float32Array(weight.length) };
    for (const [s, step] of run.steps.entries()) {
      const expectedGradient = step.grad_quantised_hex[name];
      const gradient =
        expectedGradient === undefined
          ? undefined
          : centred(elements(shape), run.seed, ORDINAL.misc + 100 * (s + 1) + ordinal, 0.25);
      parameter = await lowPrecisionStep(addon, { ...parameter, gradient }, { lengths, lr, momentum, weightDecay });
      if (expectedGradient !== undefined) {
        same(checks, `step ${s} gradient of ${name}`, parameter.gradient!, expectedGradient);
        same(checks, `step ${s} momentum of ${name}`, parameter.momentum, step.momentum_hex[name]!);
      }
      same(checks, `step ${s} weight of ${name}`, parameter.weight, step.weight_hex[name]!);
    }
  }
  return checks.done();
}

function same(checks: Checks, what: string, actual: Float32Array, hex: string): void {
  checks.equal(what, actual, floatsOfHex(hex));
}
