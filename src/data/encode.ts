/**
 * One image on its way into a shard: checked to its last byte, made smaller where that is asked for, and a plain JPEG afterwards.
 * Pixels are those that training scripts see: no turning by EXIF, no colour profile applied, transparency dropped.
 */
export interface EncodeOptions {
  /** Largest shorter, or largest longer side, in pixels; images are never enlarged. */
  shortSide: number | null;
  maxSide: number | null;
  quality: number;
}

type Sharp = typeof import('sharp');

/** The bytes to keep. Rejects where the image does not decode. */
export async function encodeImage(sharp: Sharp, bytes: Buffer, options: EncodeOptions): Promise<Buffer> {
  const { format, width, height, space, isProgressive } = await sharp(bytes).metadata();
  // What the training loader decodes fastest; CMYK, progressive files and a PNG under a wrong name are not.
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

/** Rejects where an image does not decode to its end. Small pixels are enough for that: every coefficient is read all the same. */
export async function checkImage(sharp: Sharp, bytes: Buffer): Promise<void> {
  await sharp(bytes, { failOn: 'error', ignoreIcc: true }).resize(16, 16, { fit: 'fill' }).raw().toBuffer();
}

/** By its first bytes, as the training loader tells. */
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
