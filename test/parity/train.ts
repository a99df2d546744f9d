import type { NativeTrainer } from '../../src/native/types/trainer';
import type { StateDict } from '../../src/tensor';
import { type Case, lazy, Skip } from './lib/case';
import { Checks } from './lib/checks';
import { type Kind, layoutOf } from './lib/fill';
import { type Context, classesOf } from './lib/networks';
import { labels, type Seed } from './lib/random';
import type { SpecJson } from './lib/reference';
import { floatsOf, sumsOf } from './lib/tensors';

interface SumsJson {
  sum64: number;
  abs_sum64: number;
}

interface RunJson {
  model: SpecJson;
  seed: Seed;
  batch: number;
  steps: number;
  lr: number;
  momentum: number;
  weight_decay: number;
  s: number;
  loss_float64: number[];
  correct_float64?: number[];
  first_step_gradients?: Record<string, SumsJson>;
  final?: Record<string, SumsJson>;
  final_momentum?: Record<string, SumsJson>;
}

type Section = 'first_step_gradients' | 'final' | 'final_momentum';
type Tolerances = Partial<Record<Kind, number>>;

/** The README's table: |sum - sum64| and |abs_sum - abs_sum64| as a fraction of abs_sum64. A kind that is absent is not compared. */
interface Family {
  loss: (step: number) => number;
  sums: Record<Section, Tolerances>;
}

const same = (tolerance: number, ...kinds: Kind[]): Tolerances =>
  Object.fromEntries(kinds.map((kind) => [kind, tolerance]));
const CONV_AND_BN = ['conv_weight', 'conv_bias', 'bn_weight', 'bn_bias'] as const;
const LINEAR = ['linear_weight', 'linear_bias'] as const;

const VGG: Family = {
  loss: (step) => (step === 0 ? 1e-6 : 1e-3),
  sums: {
    final: {
      conv_weight: 1e-4,
      bn_weight: 8e-4,
      bn_bias: 1e-2,
      bn_mean: 2e-3,
      bn_var: 4e-4,
      ...same(5e-5, ...LINEAR),
    },
    final_momentum: same(5e-3, ...LINEAR),
    first_step_gradients: { ...same(6e-2, ...CONV_AND_BN), ...same(5e-6, ...LINEAR) },
  },
};

const PRERESNET: Family = {
  loss: () => 2e-6,
  sums: {
    final: {
      conv_weight: 2e-6,
      bn_weight: 2e-6,
      bn_bias: 1e-4,
      ...same(6e-6, 'bn_mean', 'bn_var'),
      ...same(5e-7, ...LINEAR),
      indexes: 0,
    },
    final_momentum: { ...same(3e-2, ...CONV_AND_BN), ...same(1e-6, ...LINEAR) },
    first_step_gradients: { ...same(4e-2, ...CONV_AND_BN), ...same(1e-6, ...LINEAR) },
  },
};

/** The tolerances were measured on these two families; others have none. */
const FAMILIES: Record<string, Family> = { vgg: VGG, resnet: PRERESNET };

/** Training on generated images: loss at every step, gradients of the first, weights, statistics and momentum after the last. */
export function* cases(context: Context): Iterable<Case> {
  const runs = context.reference.json<{ cases: Record<string, RunJson> }>('train.json').cases;
  for (const [name, run] of Object.entries(runs)) {
    const trained = lazy(() => train(context, run));
    const family = (): Family => {
      const found = FAMILIES[run.model.arch];
      if (!found) throw new Skip(`no training tolerances are given for '${run.model.arch}'`);
      return found;
    };
    yield {
      name: `train ${name} loss`,
      run: async () => {
        const { losses, correct } = await trained();
        const checks = new Checks();
        const { loss: tolerance } = family();
        for (const [step, expected] of run.loss_float64.entries()) {
          checks.within(
            `loss of step ${step}`,
            Math.abs(losses[step]! - expected) / Math.abs(expected),
            tolerance(step),
          );
        }
        if (run.correct_float64) checks.equal('correct predictions of step 0', correct[0], run.correct_float64[0]);
        return checks.done();
      },
    };
    for (const section of ['first_step_gradients', 'final', 'final_momentum'] as const) {
      const expected = run[section];
      if (!expected) continue;
      yield {
        name: `train ${name} ${section}`,
        run: async () => {
          const result = await trained();
          const checks = new Checks();
          checkSums(checks, result.state, result[section], expected, family().sums[section]);
          return checks.done();
        },
      };
    }
  }
}

async function train(context: Context, run: RunJson) {
  const model = await context.load(run.model, run.seed);
  const { input, classes } = model.describe();
  if (classes !== classesOf(run.model.dataset)) throw new Error(`the model has ${classes} classes`);
  const trainer: NativeTrainer = await context.addon.createTrainer(model, {
    momentum: run.momentum,
    weightDecay: run.weight_decay,
    l1: run.s,
    precision: 'fp32',
    seed: 1,
  });
  const losses: number[] = [];
  const correct: number[] = [];
  let gradients: StateDict | undefined;
  for (let step = 0; step < run.steps; step++) {
    const result = await trainer.step({
      images: context.images({ seed: run.seed, k: step, shape: [run.batch, ...input] }),
      labels: labels(run.seed, step, run.batch, classes),
      lr: run.lr,
      gradients: step === 0,
    });
    losses.push(result.loss);
    correct.push(result.correct);
    gradients ??= result.gradients;
  }
  const { state, momentum } = await trainer.snapshot();
  trainer.dispose();
  model.dispose();
  return {
    losses,
    correct,
    state,
    first_step_gradients: gradients ?? new Map(),
    final: state,
    final_momentum: momentum,
  };
}

function checkSums(
  checks: Checks,
  state: StateDict,
  actual: StateDict,
  expected: Record<string, SumsJson>,
  tolerances: Tolerances,
): void {
  const kinds = new Map(layoutOf(state, 1).map(({ key, kind }) => [key, kind]));
  for (const [key, { sum64, abs_sum64 }] of Object.entries(expected)) {
    const tensor = actual.get(key);
    if (!tensor) {
      checks.ok(`${key} is missing`, false);
      continue;
    }
    const tolerance = tolerances[kinds.get(key)!];
    if (tolerance === undefined) continue;
    const { sum, absSum } = sumsOf(floatsOf(tensor));
    checks.within(`${key} sum`, Math.abs(sum - sum64) / abs_sum64, tolerance);
    checks.within(`${key} abs sum`, Math.abs(absSum - abs_sum64) / abs_sum64, tolerance);
  }
}
