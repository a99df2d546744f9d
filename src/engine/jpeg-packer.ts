/** Packs JPEG files for the cache of `data pack --cache yuv`. */

import type { JpegPacker } from '../data/pack/packed';
import { loadAddon } from '../native/addon';
import { requireJpeg } from '../native/jpeg';

/** A packer by the JPEG decoder. Throws ERR_LIBTORCH or ERR_NOT_BUILT where there is no decoder on this machine. */
export function jpegPacker(): JpegPacker {
  const addon = loadAddon({ device: 'cpu' });
  requireJpeg(addon);
  return (jpeg) => addon.packJpeg(jpeg);
}
