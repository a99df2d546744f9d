import type { NativeAddon } from '../../src/native/types';
import { type Case, skipped } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { centred, ORDINAL, type Seed } from './lib/random';
import { elements, floatsOf, floatsOfHex, floatTensor } from './lib/tensors';

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

const { fround } = Math;

/**
 * Three steps on plain tensors, in the order of the wrapper: gradient quantised, SGD in float32, weights quantised (those
 * without gradient too), momentum quantised. The quantiser is the addon's, the SGD is written out here; test/cpp holds
 * the fused step against the same order.
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
  const { wl, lr, momentum: factor, weight_decay: decay } = run;
  const names = Object.keys(run.shapes!);
  for (const [ordinal, name] of names.entries()) {
    const shape = run.shapes![name]!;
    const quantise = async (values: Float32Array, bits: number) =>
      floatsOf(
        await addon.blockQuantize(floatTensor(values, shape), {
          bits,
          dim: 0,
          rounding: 'nearest',
          device: 'cpu',
          seed: 1,
        }),
      );
    let weight = floatsOfHex(run.start_hex[name]!);
    let momentum: Float32Array = new Float32Array(weight.length);
    for (const [s, step] of run.steps.entries()) {
      const expectedGradient = step.grad_quantised_hex[name];
      if (expectedGradient !== undefined) {
        const drawn = centred(elements(shape), run.seed, ORDINAL.misc + 100 * (s + 1) + ordinal, 0.25);
        const gradient = await quantise(drawn, wl.grad);
        same(checks, `step ${s} gradient of ${name}`, gradient, expectedGradient);
        momentum = momentum.map((m, i) => {
          const change = fround(gradient[i]! + fround(weight[i]! * fround(decay)));
          return fround(fround(m * fround(factor)) + change);
        });
        weight = weight.map((w, i) => fround(w - fround(momentum[i]! * fround(lr))));
        momentum = await quantise(momentum, wl.momentum);
        same(checks, `step ${s} momentum of ${name}`, momentum, step.momentum_hex[name]!);
      }
      weight = await quantise(weight, wl.weight);
      same(checks, `step ${s} weight of ${name}`, weight, step.weight_hex[name]!);
    }
  }
  return checks.done();
}

function same(checks: Checks, what: string, actual: Float32Array, hex: string): void {
  checks.equal(what, actual, floatsOfHex(hex));
}
