/**
 * Makes an image of a shard: checks that it decodes to its last byte, scales it down where requested, and stores it as
 * a plain JPEG. Transparency is dropped, as training scripts do.
 */
import { checkImage, finish, isLossless, openImage } from '../decode';
import { isPacked } from './packed';

/** Size and quality of the images in shards. */
export interface EncodeOptions {
  /** Limit of the shorter side in pixels; images are not enlarged. */
  shortSide: number | null;
  /** Limit of the longer side in pixels. */
  maxSide: number | null;
  /** JPEG quality, 1 to 100. */
  quality: number;
}

/** Returns the bytes to store. Rejects where the image does not decode. */
export async function encodeImage(
  sharp: typeof import('sharp'),
  bytes: Buffer,
  options: EncodeOptions,
): Promise<Buffer> {
  if (isPacked(bytes)) throw new Error('an image of a cache; pack the JPEG that it was made of');
  await checkImage(sharp, bytes);
  const image = await openImage(sharp, bytes);
  const { format, width, height, space, isProgressive } = await finish(() => image.metadata());
  // Plain files decode fastest, so CMYK, progressive and lossless files and other formats are converted.
  const plain = format === 'jpeg' && !isProgressive && !isLossless(bytes) && (space === 'srgb' || space === 'b-w');
  if (plain && fits(width, height, options)) return bytes;
  const side = options.shortSide ?? options.maxSide;
  image.removeAlpha();
  if (side !== null)
    image.resize(side, side, { fit: options.shortSide === null ? 'inside' : 'outside', withoutEnlargement: true });
  image
    .toColourspace(space === 'b-w' ? 'b-w' : 'srgb')
    .jpeg({ quality: options.quality, chromaSubsampling: '4:2:0', progressive: false });
  return finish(() => image.toBuffer());
}

function fits(width: number, height: number, { shortSide, maxSide }: EncodeOptions): boolean {
  if (shortSide !== null) return Math.min(width, height) <= shortSide;
  return maxSide === null || Math.max(width, height) <= maxSide;
}
