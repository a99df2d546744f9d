/** The images and FLOPs that a plan needs, without training. */
import { type KnownDataset, knownDataset } from '../data/known';
import type { EarlybirdError } from '../errors';
import { loadAddon } from '../native/addon';
import { forwardFlops } from '../network/flops';
import type { BenchEnergyRecipe } from '../recipe/recipe';

export interface PlanInputs {
  /** Training images of an epoch. */
  images: number | null;
  /** Forward FLOPs of one image in the dense network. */
  forward: number | null;
  /** Why one of them is null. */
  notes: string[];
}

/** From rows on disk where they tell, else from the data set's name and the network itself, which needs LibTorch. */
export async function planInputs(
  recipe: BenchEnergyRecipe,
  { images, forward }: Omit<PlanInputs, 'notes'>,
): Promise<PlanInputs> {
  const { dataset, limitTrain } = recipe;
  const data = knownDataset(dataset);
  const count = images ?? (data && Math.min(data.counts.train, limitTrain ?? Infinity)) ?? limitTrain ?? null;
  const notes: string[] = [];
  const missing = (why: string) => notes.push(`FLOPs unknown: ${why}`);
  if (count === null)
    missing(`how many images --dataset ${dataset} has is known once it is opened; give --limit-train.`);
  if (forward !== null) return { images: count, forward, notes };
  if (!data) {
    missing(`how many classes --dataset ${dataset} has is known once it is opened.`);
    return { images: count, forward, notes };
  }
  try {
    return { images: count, forward: await describe(recipe, data), notes };
  } catch (error) {
    const { code, message } = error as EarlybirdError;
    if (code !== 'ERR_LIBTORCH' && code !== 'ERR_NOT_BUILT') throw error;
    missing(`the network describes itself through LibTorch. ${message}`);
    return { images: count, forward, notes };
  }
}

async function describe(
  { arch, depth, cfg, imageSize }: BenchEnergyRecipe,
  { classes, size }: KnownDataset,
): Promise<number> {
  const spec = { arch, depth: depth!, classes, cfg, seed: 1, device: 'cpu', imageSize: imageSize ?? size };
  using model = await loadAddon({ device: 'cpu' }).createModel(spec);
  return forwardFlops(model.describe().layers);
}
