/** The networks of benchmarks, with gammas that can be told apart. */
import { Random } from '../data/random';
import type { ModelDescription, NativeModel } from '../native/types';
import type { TensorData } from '../tensor';
import { NETWORKS } from './bench-step';
import type { Engine } from './device';
import type { BenchStepRecipe } from './recipe';

/** Every gamma has another size, in an order drawn from the seed: a fresh network's are all equal, so that no mask could be drawn. */
export async function networkWithGammas(
  { addon, device }: Engine,
  { model: name, seed }: Pick<BenchStepRecipe, 'model' | 'seed'>,
): Promise<NativeModel> {
  const { arch, depth, classes } = NETWORKS[name];
  const model = await addon.createModel({ arch, depth, classes, seed, device });
  try {
    await drawGammas(model, seed);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

async function drawGammas(model: NativeModel, seed: number): Promise<void> {
  const state = await model.stateDict();
  for (const [key, gammas] of gammasFor(model.describe(), seed)) state.set(`${key}.weight`, gammas);
  await model.loadStateDict(state);
}

/** Between 0 and 1, by the key of the BN layer. */
export function gammasFor({ batchNorms }: Pick<ModelDescription, 'batchNorms'>, seed: number): Map<string, TensorData> {
  const total = batchNorms.reduce((sum, { channels }) => sum + channels, 0);
  const order = shuffled(total, seed);
  let at = 0;
  return new Map(
    batchNorms.map(({ key, channels }) => {
      const values = Float32Array.from({ length: channels }, () => (order[at++]! + 1) / (total + 1));
      return [key, { dtype: 'float32', shape: [channels], data: new Uint8Array(values.buffer) }];
    }),
  );
}

function shuffled(count: number, seed: number): number[] {
  const random = new Random(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
