/** Packs JPEG files for the cache of `data pack --cache yuv`. */

import type { JpegPacker } from '../data/packed';
import { requireJpeg } from '../native/jpeg';
import { openEngine } from './device';

/** Throws ERR_LIBTORCH or ERR_NOT_BUILT where there is no JPEG decoder on this machine. */
export function jpegPacker(): JpegPacker {
  const { addon } = openEngine({ device: 'cpu', noCuda: false, threads: 1 });
  requireJpeg(addon);
  return (jpeg) => addon.packJpeg(jpeg);
}
