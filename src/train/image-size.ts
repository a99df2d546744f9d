/** Sizes of images: those of a dataset beside those that a network was trained on. */
import { EarlybirdError } from '../errors';
import { FIXED_SIZE } from '../recipe/rules';

/**
 * Throws ERR_DATASET where images have another side than those that a checkpoint was trained on, unless the size was
 * asked for. Sides are in pixels.
 */
export function refuseOtherSize(
  { imageSize: asked, dataset }: { imageSize?: number | undefined; dataset: string },
  trained: number | undefined,
  size: number,
  checkpoint: string,
): void {
  if (asked !== undefined || trained === undefined || trained === size) return;
  const remedy = FIXED_SIZE.includes(dataset) ? 'the --dataset it was trained on' : `--image-size ${trained}`;
  throw new EarlybirdError(
    'ERR_DATASET',
    `${checkpoint} was trained on images of ${trained}x${trained} pixels, but those of ${dataset} are ${size}x${size}: give ${remedy}, or --image-size ${size} to take these all the same.`,
  );
}
