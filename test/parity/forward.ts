import type { StateDict } from '../../src/tensor';
import { type Case, lazy } from './lib/case';
import { Checks, maxDifference } from './lib/checks';
import type { Context } from './lib/networks';
import type { Seed } from './lib/random';
import type { ImagesJson, SpecJson } from './lib/reference';
import { floatsOf } from './lib/tensors';

interface LogitsJson {
  logits_float64: number[][];
  max_abs_logit: number;
  max_abs_dev_f32_vs_f64: number;
}

interface BatchNormJson {
  name: string;
  running_mean: number[];
  running_var: number[];
  num_batches_tracked: number;
}

interface ForwardJson {
  cases: Record<
    string,
    {
      model: SpecJson;
      seed: Seed;
      images: ImagesJson;
      eval?: LogitsJson;
      train?: LogitsJson;
      train_bn?: Record<string, BatchNormJson>;
    }
  >;
}

const MEAN_TOLERANCE = 1e-5;
const VARIANCE_TOLERANCE = 5e-5;

/** Logits with running and with batch statistics, and the running statistics after one training forward. */
export function* cases(context: Context): Iterable<Case> {
  for (const [name, item] of Object.entries(context.reference.json<ForwardJson>('forward.json').cases)) {
    const loaded = lazy(() => context.load(item.model, item.seed));
    const pass = async (expected: LogitsJson, train: boolean): Promise<Checks> => {
      const model = await loaded();
      const logits = await model.forward(context.images(item.images), { train, precision: 'fp32' });
      const checks = new Checks();
      checks.equal('shape of the logits', logits.shape, [
        expected.logits_float64.length,
        expected.logits_float64[0]!.length,
      ]);
      const tolerance = Math.max(20 * expected.max_abs_dev_f32_vs_f64, 2e-6 * expected.max_abs_logit);
      checks.within('logits', maxDifference(floatsOf(logits), expected.logits_float64.flat()), tolerance);
      return checks;
    };
    const { eval: evaluated, train, train_bn: batchNorms } = item;
    if (evaluated) yield { name: `forward ${name} eval`, run: async () => (await pass(evaluated, false)).done() };
    if (!train) continue;
    yield {
      name: `forward ${name} train`,
      run: async () => {
        const checks = await pass(train, true);
        const state = await (await loaded()).stateDict();
        for (const expected of Object.values(batchNorms ?? {})) checkStatistics(checks, state, expected);
        (await loaded()).dispose();
        return checks.done();
      },
    };
  }
}

function checkStatistics(checks: Checks, state: StateDict, expected: BatchNormJson): void {
  const entry = (key: string) => {
    const tensor = state.get(`${expected.name}.${key}`);
    if (!tensor) throw new Error(`no '${expected.name}.${key}' in the state dict`);
    return tensor;
  };
  const mean = floatsOf(entry('running_mean'));
  checks.within(`${expected.name} running_mean`, maxDifference(mean, expected.running_mean), MEAN_TOLERANCE);
  const variance = Array.from(floatsOf(entry('running_var')), (value, i) => value / expected.running_var[i]!);
  const ones = expected.running_var.map(() => 1);
  checks.within(`${expected.name} running_var (relative)`, maxDifference(variance, ones), VARIANCE_TOLERANCE);
  const tracked = entry('num_batches_tracked').data;
  const count = Number(new DataView(tracked.buffer, tracked.byteOffset).getBigInt64(0, true));
  checks.equal(`${expected.name} num_batches_tracked`, count, expected.num_batches_tracked);
}
