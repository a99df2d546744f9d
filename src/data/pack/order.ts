/** The order in which images are packed, which depends on the list of images alone. */
import { type ImageListing, range } from '../listing';
import { Random } from '../random';
import { KEPT_BYTES } from '../shards/unpack';

/** Seed that mixes the classes within every shard. */
const ORDER_SEED = 1;

/**
 * Indexes of the images in a mixed order. Images that are unpacked in groups stay in runs of groups that fit into the
 * memory for them.
 */
export function mixed({ count, groups }: ImageListing, stream: number): Int32Array {
  const random = new Random(ORDER_SEED, stream);
  if (!groups) return shuffled(range(count), random);
  const order = new Int32Array(count);
  const lots: number[][] = [[]];
  let bytes = 0;
  for (const group of shuffled(range(groups.length), random)) {
    bytes += groups[group]!.bytes;
    if (bytes > KEPT_BYTES / 2 && lots.at(-1)!.length > 0) {
      lots.push([]);
      bytes = groups[group]!.bytes;
    }
    lots.at(-1)!.push(group);
  }
  let at = 0;
  for (const lot of lots) {
    const images = lot.flatMap((group) => {
      const [start, end] = [groups[group]!.start, groups[group + 1]?.start ?? count];
      return Array.from({ length: end - start }, (_, i) => start + i);
    });
    order.set(shuffled(Int32Array.from(images), random), at);
    at += images.length;
  }
  return order;
}

function shuffled(order: Int32Array, random: Random): Int32Array {
  const count = order.length;
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
