/** The images and FLOPs that a plan needs, without training. */
import { type KnownDataset, knownDataset } from '../data/known';
import { USUAL_MULTIPLE } from '../engine/kernels';
import type { EarlybirdError } from '../errors';
import { loadAddon } from '../native/addon';
import type { NativeModel } from '../native/types/model';
import { type MultiplyAdds, multiplyAddsOf } from '../network/bit-operations';
import { forwardFlops } from '../network/flops';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { scaledAdds } from './plan-arithmetic';

export interface PlanInputs {
  /** Number of training images of an epoch. */
  images: number | null;
  /** Forward FLOPs of one image in the dense network. */
  forward: number | null;
  /** Forward FLOPs of one image in the ticket that is assumed at a ratio; null where the network is unknown. */
  ticket(ratio: number): number | null;
  /** Multiply-adds of the same networks: the dense one (null), or a ticket. */
  adds(ratio: number | null): MultiplyAdds | null;
  /** Reasons why some of them are null. */
  notes: string[];
}

interface Known {
  images: number | null;
  forward: number | null;
  adds: MultiplyAdds | null;
  /** Ratios at which the FLOPs of a ticket have to be assumed. */
  ratios: number[];
}

/** The entries of a recipe that decide the figures. */
type PlanRecipe = Pick<
  BenchEnergyRecipe,
  'dataset' | 'limitTrain' | 'ratios' | 'arch' | 'depth' | 'cfg' | 'imageSize' | 'emptyLayers' | 'surgery' | 'roundTo'
> &
  Partial<Pick<BenchEnergyRecipe, 'assumeFlops'>>;

/**
 * Takes the inputs from rows on disk where they have them, else from the data set's name and the network itself, which
 * needs LibTorch.
 */
export async function planInputs(recipe: PlanRecipe, known: Known): Promise<PlanInputs> {
  const { dataset, limitTrain, assumeFlops } = recipe;
  const data = knownDataset(dataset);
  const images = known.images ?? (data && Math.min(data.counts.train, limitTrain ?? Infinity)) ?? limitTrain ?? null;
  const notes: string[] = [];
  const missing = (why: string) => notes.push(`FLOPs unknown: ${why}`);
  if (images === null)
    missing(`how many images --dataset ${dataset} has is known once it is opened; give --limit-train.`);
  let { forward, adds: dense } = known;
  let uniform: ReadonlyMap<number, Counted> = new Map();
  if (!data) missing(`how many classes --dataset ${dataset} has is known once it is opened.`);
  else if (forward === null || (!assumeFlops && known.ratios.length > 0)) {
    try {
      const counted = await countFlops(recipe, data, assumeFlops ? [] : known.ratios);
      forward ??= counted.dense.forward;
      dense ??= counted.dense.adds;
      uniform = counted.tickets;
    } catch (error) {
      const { code, message } = error as EarlybirdError;
      if (code !== 'ERR_LIBTORCH' && code !== 'ERR_NOT_BUILT') throw error;
      missing(`the network describes itself through LibTorch. ${message}`);
    }
  }
  const share = (ratio: number) => atRatio(recipe, assumeFlops, ratio);
  const ticket = (ratio: number) =>
    assumeFlops && forward !== null ? share(ratio)! * forward : (uniform.get(ratio)?.forward ?? null);
  const adds = (ratio: number | null) => {
    if (ratio === null) return dense;
    return assumeFlops ? dense && scaledAdds(dense, share(ratio)!) : (uniform.get(ratio)?.adds ?? null);
  };
  return { images, forward, ticket, adds, notes };
}

/** The entry of a list that has one for each ratio, or one for all. */
export function atRatio(
  { ratios }: Pick<PlanRecipe, 'ratios'>,
  list: readonly number[] | undefined,
  ratio: number,
): number | undefined {
  return list?.[list.length === 1 ? 0 : ratios.indexOf(ratio)];
}

/** Forward FLOPs and multiply-adds of one image. */
interface Counted {
  forward: number;
  adds: MultiplyAdds;
}

function countedOf(model: NativeModel): Counted {
  const description = model.describe();
  return { forward: forwardFlops(description.layers), adds: multiplyAddsOf(description) };
}

async function countFlops(
  { arch, depth, cfg, imageSize, emptyLayers, surgery, roundTo }: PlanRecipe,
  { classes, size }: KnownDataset,
  ratios: readonly number[],
): Promise<{ dense: Counted; tickets: Map<number, Counted> }> {
  const spec = { arch, depth: depth!, classes, cfg, seed: 1, device: 'cpu', imageSize: imageSize ?? size };
  using model = await loadAddon({ device: 'cpu' }).createModel(spec);
  const tickets = new Map<number, Counted>();
  for (const ratio of ratios) {
    // A plan measures nothing, so `auto` means the usual multiple here.
    const rounding = { roundTo: roundTo === 'auto' ? USUAL_MULTIPLE : roundTo };
    const cut = await model.prune({ mask: uniformMask(model, ratio), emptyLayers, surgery, ...rounding });
    using ticket = cut.model;
    tickets.set(ratio, countedOf(ticket));
  }
  return { dense: countedOf(model), tickets };
}

/** A mask that keeps the first channels of every layer, 1 - p of them. */
function uniformMask(model: NativeModel, ratio: number): Uint8Array {
  const kept = model.describe().batchNorms.flatMap(({ channels }) => {
    const keep = Math.max(1, Math.round((1 - ratio) * channels));
    return Array.from({ length: channels }, (_, i) => i < keep);
  });
  const bits = new Uint8Array(Math.ceil(kept.length / 8));
  for (const [i, keep] of kept.entries()) if (keep) bits[i >> 3]! |= 0x80 >> (i & 7);
  return bits;
}
