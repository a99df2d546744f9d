/** Finds the images of a listing that training would leave out, by decoding all of them with the training loader. */

import { availableCores } from '../cores';
import { IMAGENET_MEAN, IMAGENET_SIZE, IMAGENET_STD } from '../data/imagenet';
import { type ImageListing, pickListing } from '../data/listing';
import type { LoaderCheck } from '../data/verify/imagenet';
import type { EarlybirdError } from '../errors';
import { requireJpeg } from '../native/jpeg';
import type { NativeAddon } from '../native/types/addon';
import { createStream } from './datasets';
import { openEngine } from './device';

/** Images between two progress reports. */
const SLICE = 4096;

/** The check; null where there is no loader: no LibTorch, no addon or no JPEG decoder on this machine. */
export function loaderCheck(): LoaderCheck | null {
  try {
    const { addon } = openEngine({ device: 'cpu', noCuda: false });
    requireJpeg(addon);
    return (listing, options) => refused(addon, listing, options);
  } catch (error) {
    if (['ERR_LIBTORCH', 'ERR_NOT_BUILT'].includes((error as EarlybirdError).code)) return null;
    throw error;
  }
}

async function refused(addon: NativeAddon, listing: ImageListing, { onProgress, signal }: Parameters<LoaderCheck>[1]) {
  const bad: Awaited<ReturnType<LoaderCheck>> = [];
  const settings = {
    classes: 1 + listing.labels.reduce((most, label) => Math.max(most, label), 0),
    device: 'cpu',
    mean: IMAGENET_MEAN,
    std: IMAGENET_STD,
    size: IMAGENET_SIZE,
    transform: 'evaluate' as const,
    workers: availableCores().usable,
  };
  for (let at = 0; at < listing.count; at += SLICE) {
    const indexes = Int32Array.from({ length: Math.min(SLICE, listing.count - at) }, (_, i) => at + i);
    using stream = await createStream(addon, pickListing(listing, indexes), { ...settings, maxBad: indexes.length });
    const pass = await stream.drain({ seed: 1, epoch: 0, batchSize: 16, ...(signal && { signal }) });
    for (const { index, reason } of pass.bad) bad.push({ index: at + index, reason });
    onProgress?.(at + indexes.length, listing.count, 'decoding as training does');
  }
  return bad;
}
