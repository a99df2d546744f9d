/**
 * Makes an image of a shard: decodes it to its last byte, scales it down where requested, and stores it as a plain JPEG. As training
 * scripts do, it applies neither EXIF rotation nor colour profiles, and drops transparency.
 */

/** Size and quality of the images in shards. */
export interface EncodeOptions {
  /** Limit of the shorter side in pixels; images are not enlarged. */
  shortSide: number | null;
  /** Limit of the longer side in pixels. */
  maxSide: number | null;
  /** JPEG quality, 1 to 100. */
  quality: number;
}

type Sharp = typeof import('sharp');

/** The bytes to keep. Rejects where the image does not decode. */
export async function encodeImage(sharp: Sharp, bytes: Buffer, options: EncodeOptions): Promise<Buffer> {
  const { format, width, height, space, isProgressive } = await sharp(bytes).metadata();
  // Plain files are decoded fastest; CMYK, progressive files and other formats are converted.
  const plain = format === 'jpeg' && !isProgressive && (space === 'srgb' || space === 'b-w');
  if (plain && fits(width, height, options)) {
    await checkImage(sharp, bytes);
    return bytes;
  }
  const side = options.shortSide ?? options.maxSide;
  const image = sharp(bytes, { failOn: 'error', ignoreIcc: true }).removeAlpha();
  if (side !== null)
    image.resize(side, side, { fit: options.shortSide === null ? 'inside' : 'outside', withoutEnlargement: true });
  return image
    .toColourspace(space === 'b-w' ? 'b-w' : 'srgb')
    .jpeg({ quality: options.quality, chromaSubsampling: '4:2:0', progressive: false })
    .toBuffer();
}

/** Rejects where an image does not decode to its end. A small size is enough: every coefficient is read all the same. */
export async function checkImage(sharp: Sharp, bytes: Buffer): Promise<void> {
  await sharp(bytes, { failOn: 'error', ignoreIcc: true }).resize(16, 16, { fit: 'fill' }).raw().toBuffer();
}

/** By the first bytes, as in the training loader. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

/** One line that says why an image was refused. */
export function reasonOf(error: unknown): string {
  return (error as Error).message.split('\n')[0]!.trim();
}

function fits(width: number, height: number, { shortSide, maxSide }: EncodeOptions): boolean {
  if (shortSide !== null) return Math.min(width, height) <= shortSide;
  return maxSide === null || Math.max(width, height) <= maxSide;
}
