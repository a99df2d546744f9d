/** Names of data sets, and the facts of those that are the same everywhere. */
export const DATASETS = ['cifar10', 'cifar100', 'imagenet', 'folder', 'synthetic'] as const;
export type DatasetName = (typeof DATASETS)[number];

export interface KnownDataset {
  /** Name as people write it. */
  title: string;
  classes: number;
  /** Side of the network's input, pixels. */
  size: number;
  padding: number;
  counts: { train: number; test: number };
}

/** Zero padding of the random crop, pixels on each side, of images held in memory (reference: CIFAR loaders). */
export const PADDING = 4;
const cifar = { size: 32, padding: PADDING, counts: { train: 50_000, test: 10_000 } };

/**
 * Facts of the known data sets. For imagenet they are those of the full set of 2012; `--dataset imagenet` takes parts
 * of it as well.
 */
export const KNOWN = {
  cifar10: { title: 'CIFAR-10', classes: 10, ...cifar },
  cifar100: { title: 'CIFAR-100', classes: 100, ...cifar },
  imagenet: { title: 'ImageNet', classes: 1000, size: 224, padding: 0, counts: { train: 1_281_167, test: 50_000 } },
  synthetic: { ...cifar, title: 'synthetic', classes: 10, counts: { train: 8000, test: 2000 } },
} satisfies Record<string, KnownDataset>;

/** Facts of a data set; undefined for names that tell nothing of the data, such as "folder". */
export function knownDataset(name: string): KnownDataset | undefined {
  return Object.hasOwn(KNOWN, name) ? KNOWN[name as keyof typeof KNOWN] : undefined;
}
