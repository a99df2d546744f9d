import type { NativeModel } from '../../src/native/types/model';
import type { StateDict } from '../../src/tensor';
import { type Case, lazy } from './lib/case';
import { Checks, maxDifference } from './lib/checks';
import type { Context } from './lib/networks';
import type { Seed } from './lib/random';
import type { SpecJson } from './lib/reference';
import { elements, floatsOf, floatTensor, SUM_TOLERANCE, sha256, sumsOf } from './lib/tensors';

interface TensorJson {
  sum?: number;
  abs_sum?: number;
  sha256?: string | null;
  value?: number;
}

interface StatisticsJson {
  name: string;
  running_mean: number[];
  running_var: number[];
}

interface RowJson {
  models_averaged: number;
  alpha: number;
  tensors: Record<string, TensorJson>;
  first_bn: StatisticsJson;
  last_bn: StatisticsJson;
  eval_logits_float32: number[][];
  eval_logits_max_dev_f64: number;
}

interface SwaJson {
  model: SpecJson;
  average_model_start_seed: Seed;
  seeds: Seed[];
  loader: { seed: Seed; batch_sizes: number[] };
  eval_images: { seed: Seed; k: number; batch: number };
  rows: RowJson[];
}

const STATISTICS_TOLERANCE = 1e-5;
const MOMENTUM = 0.1;

const isStatistic = (key: string) => /running_(mean|var)$/.test(key);

/**
 * A running average of weights, and its statistics. The reference's images are no bytes, so that no dataset can hold them:
 * statistics of batches come from forward passes in training mode and are averaged here (test/native/swa.test.ts compares
 * estimateNorms with such passes).
 */
export function* cases(context: Context): Iterable<Case> {
  const file = context.reference.json<SwaJson>('swa.json');
  const averaged = lazy(() => averages(context, file));
  for (const [n, row] of file.rows.entries()) {
    yield {
      name: `swa of ${row.models_averaged} parameters`,
      run: async () => checkParameters(row, (await averaged())[n]!.parameters),
    };
    yield {
      name: `swa of ${row.models_averaged} statistics and logits`,
      run: async () => {
        const { state, logits } = (await averaged())[n]!;
        const checks = new Checks();
        for (const { name, running_mean, running_var } of [row.first_bn, row.last_bn]) {
          const relative = (key: string, expected: number[]) => {
            const scale = Math.max(...expected.map(Math.abs));
            const off = maxDifference(floatsOf(state.get(`${name}.${key}`)!), expected);
            checks.within(`${name}.${key}`, off / scale, STATISTICS_TOLERANCE);
          };
          relative('running_mean', running_mean);
          relative('running_var', running_var);
        }
        for (const [key, { sum, abs_sum }] of Object.entries(row.tensors)) {
          if (!isStatistic(key)) continue;
          const off = Math.abs(sumsOf(floatsOf(state.get(key)!)).sum - sum!);
          checks.within(`${key} sum`, off / abs_sum!, STATISTICS_TOLERANCE);
        }
        const expected = row.eval_logits_float32.flat();
        checks.within('logits', maxDifference(logits, expected), 20 * row.eval_logits_max_dev_f64);
        return checks.done();
      },
    };
  }
}

function checkParameters(row: RowJson, state: StateDict): string {
  const checks = new Checks();
  for (const [key, expected] of Object.entries(row.tensors)) {
    const tensor = state.get(key);
    if (!tensor) {
      checks.ok(`${key} is missing`, false);
      continue;
    }
    if (!expected.sha256) continue;
    checks.equal(key, sha256(tensor.data), expected.sha256);
    const { sum } = sumsOf(floatsOf(tensor));
    checks.within(`${key} sum`, Math.abs(sum - expected.sum!) / expected.abs_sum!, SUM_TOLERANCE);
  }
  return checks.done();
}

interface Average {
  parameters: StateDict;
  /** The weights with the statistics. */
  state: StateDict;
  logits: Float32Array;
}

async function averages(context: Context, file: SwaJson): Promise<Average[]> {
  const mean = await context.load(file.model, file.average_model_start_seed);
  const out: Average[] = [];
  for (const [n, seed] of file.seeds.entries()) {
    const added = await context.load(file.model, seed);
    await mean.average(added, file.rows[n]!.alpha);
    added.dispose();
    const parameters = await mean.stateDict();
    await mean.loadStateDict(await withStatistics(context, file, mean));
    const logits = floatsOf(await mean.forward(images(context, mean, file.eval_images), { precision: 'fp32' }));
    out.push({ parameters, state: await mean.stateDict(), logits });
  }
  mean.dispose();
  return out;
}

const images = (context: Context, model: NativeModel, { seed, k, batch }: { seed: Seed; k: number; batch: number }) =>
  context.images({ seed, k, shape: [batch, ...model.describe().input] });

/** The state with statistics that are the mean over the loader's batches, weighted by their images. */
async function withStatistics(context: Context, file: SwaJson, model: NativeModel): Promise<StateDict> {
  const { seed, batch_sizes: sizes } = file.loader;
  const total = sizes.reduce((a, b) => a + b, 0);
  const state = await model.stateDict();
  const sums = new Map<string, Float64Array>();
  for (const [key, { shape }] of state) if (isStatistic(key)) sums.set(key, new Float64Array(elements(shape)));
  for (const [k, batch] of sizes.entries()) {
    const empty = new Map(state);
    for (const key of sums.keys()) {
      const { shape } = state.get(key)!;
      empty.set(key, floatTensor(new Float32Array(elements(shape)), shape));
    }
    await model.loadStateDict(empty);
    await model.forward(images(context, model, { seed, k, batch }), { train: true, precision: 'fp32' });
    const after = await model.stateDict();
    for (const [key, sum] of sums) {
      const moved = floatsOf(after.get(key)!);
      for (let i = 0; i < sum.length; i++) sum[i]! += (moved[i]! / MOMENTUM) * (batch / total);
    }
  }
  const out = new Map(state);
  for (const [key, sum] of sums) out.set(key, floatTensor(Float32Array.from(sum), state.get(key)!.shape));
  return out;
}
