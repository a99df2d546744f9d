import type { NativeAddon } from '../../src/native/types/addon';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import { lowPrecisionStep, type Parameter } from './lib/low-precision-step';
import type { Context } from './lib/networks';
import { centred, ORDINAL } from './lib/random';
import { elements, floatsOfHex } from './lib/tensors';
import { checkNetwork, type NetworkCase, type OptimlpCase, text } from './optimlp-network';

interface TensorsCase extends OptimlpCase {
  wl: { weight: number; grad: number; momentum: number };
  shapes: Record<string, number[]>;
  start_hex: Record<string, string>;
  /** The half-width of the gradients in words, "c=0.25". */
  gradients: string;
}

/**
 * Steps on plain tensors, in the order of the wrapper: gradient quantised, SGD in float32, weights quantised (those
 * without gradient too), momentum quantised. test/native/low-precision compares the fused step with the same.
 */
export function* cases(context: Context): Iterable<Case> {
  for (const one of context.reference.json<{ cases: (TensorsCase | NetworkCase)[] }>('optimlp.json').cases) {
    yield {
      name: `optimlp ${one.case}`,
      run: () => ('layers' in one ? checkNetwork(context.addon, one) : checkTensors(context.addon, one)),
    };
  }
}

async function checkTensors(addon: NativeAddon, run: TensorsCase): Promise<string> {
  const checks = new Checks();
  const { lr, momentum, weight_decay: weightDecay, wl: lengths } = run;
  const half = Number(text(run.gradients, /\bc=([\d.]+)/)[1]);
  for (const [ordinal, [name, shape]] of Object.entries(run.shapes).entries()) {
    const weight = floatsOfHex(run.start_hex[name]!);
    let parameter: Parameter = { shape, weight, momentum: new Float32Array(weight.length) };
    for (const [s, step] of run.steps.entries()) {
      const expectedGradient = step.grad_quantised_hex[name];
      const gradient =
        expectedGradient === undefined
          ? undefined
          : centred(elements(shape), run.seed, ORDINAL.misc + 100 * (s + 1) + ordinal, half);
      parameter = await lowPrecisionStep(addon, { ...parameter, gradient }, { lengths, lr, momentum, weightDecay });
      if (expectedGradient !== undefined) {
        checks.equal(`step ${s} gradient of ${name}`, parameter.gradient!, floatsOfHex(expectedGradient));
        checks.equal(`step ${s} momentum of ${name}`, parameter.momentum, floatsOfHex(step.momentum_hex[name]!));
      }
      checks.equal(`step ${s} weight of ${name}`, parameter.weight, floatsOfHex(step.weight_hex[name]!));
    }
  }
  return checks.done();
}
