import type { ImageSet } from './dataset';
import { usageError } from './errors';
import { range } from './listing';
import { Random } from './random';

/**
 * Ascending indexes of `limit` items drawn at random with the class proportions of all (largest remainder; ties go to
 * the lower class). All items where `limit` is absent or not smaller than the set. Throws ERR_USAGE, naming `flag`, for
 * a limit that is not a positive whole number.
 */
export function stratifiedIndexes(
  labels: Int32Array,
  limit: number | undefined,
  seed: number,
  flag: string,
): Int32Array {
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw usageError(`${flag} is ${limit}, but must be a whole number of images, 1 or more.`);
  if (limit === undefined || limit >= labels.length) return range(labels.length);

  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const list = members.get(label);
    if (list) list.push(index);
    else members.set(label, [index]);
  });
  const shares = [...members.entries()]
    .sort(([a], [b]) => a - b)
    .map(([label, list]) => ({ label, list, exact: (limit * list.length) / labels.length }));
  const rest = limit - shares.reduce((sum, { exact }) => sum + Math.floor(exact), 0);
  const favoured = new Set(
    [...shares]
      .sort((a, b) => (b.exact % 1) - (a.exact % 1) || a.label - b.label)
      .slice(0, rest)
      .map(({ label }) => label),
  );
  const chosen = shares.flatMap(({ label, list, exact }) =>
    draw(list, Math.floor(exact) + (favoured.has(label) ? 1 : 0), new Random(seed, label)),
  );
  return Int32Array.from(chosen).sort();
}

/** A copy of the items at `indexes`; the set itself where these are all. */
export function pick(set: ImageSet, indexes: Int32Array): ImageSet {
  if (indexes.length === set.count) return set;
  const bytes = set.images.length / set.count;
  const images = new Uint8Array(indexes.length * bytes);
  indexes.forEach((index, i) => {
    images.set(set.images.subarray(index * bytes, (index + 1) * bytes), i * bytes);
  });
  return { images, labels: Int32Array.from(indexes, (index) => set.labels[index]!), count: indexes.length };
}

/** Draws `count` items of the list, by the first steps of a Fisher-Yates shuffle. */
function draw(list: number[], count: number, random: Random): number[] {
  const items = [...list];
  for (let i = 0; i < count; i++) {
    const j = i + random.below(items.length - i);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items.slice(0, count);
}
