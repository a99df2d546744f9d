/** What a plan has to know of the network and of the data, without training: FLOPs, classes, images. */
import { type KnownDataset, knownDataset } from '../data/known';
import type { EarlybirdError } from '../errors';
import { loadAddon } from '../native/addon';
import { forwardFlops } from '../network/flops';
import type { BenchEnergyRecipe } from '../recipe/recipe';

export interface PlannedNetwork {
  /** Training images of an epoch. */
  images: number | null;
  /** Forward FLOPs of one image in the dense network. */
  forward: number | null;
  /** Why one of them is null. */
  notes: string[];
}

/** `images` and `forward`: as rows on disk have them. Otherwise the network describes itself, which needs LibTorch. */
export async function networkFor(
  recipe: BenchEnergyRecipe,
  images: number | null,
  forward: number | null,
): Promise<PlannedNetwork> {
  const data = knownDataset(recipe.dataset);
  const limited = data && Math.min(data.counts.train, recipe.limitTrain ?? data.counts.train);
  const notes: string[] = [];
  const known = images ?? limited ?? recipe.limitTrain ?? null;
  if (known === null) {
    notes.push(
      `FLOPs unknown: how many images --dataset ${recipe.dataset} has shows once it is opened; --limit-train says it.`,
    );
  }
  if (forward !== null) return { images: known, forward, notes };
  if (!data) {
    notes.push(`FLOPs unknown: how many classes --dataset ${recipe.dataset} has shows once it is opened.`);
    return { images: known, forward: null, notes };
  }
  try {
    return { images: known, forward: await describe(recipe, data), notes };
  } catch (error) {
    const { code } = error as EarlybirdError;
    if (code !== 'ERR_LIBTORCH' && code !== 'ERR_NOT_BUILT') throw error;
    notes.push(`FLOPs unknown: the network describes itself through LibTorch. ${(error as Error).message}`);
    return { images: known, forward: null, notes };
  }
}

async function describe(
  { arch, depth, cfg, imageSize }: BenchEnergyRecipe,
  { classes, size }: KnownDataset,
): Promise<number> {
  const model = await loadAddon({ device: 'cpu' }).createModel({
    arch,
    depth: depth!,
    classes,
    cfg,
    seed: 1,
    device: 'cpu',
    imageSize: imageSize ?? size,
  });
  try {
    return forwardFlops(model.describe().layers);
  } finally {
    model.dispose();
  }
}
