/**
 * Decodes images with sharp by the rules of the training loader: the same files are good, and a picture in inks (CMYK) has the same
 * colours. EXIF rotation and colour profiles are ignored.
 */
import type { Sharp, SharpOptions } from 'sharp';
import { MOST_PIXELS, readBitmap } from './bitmap';
import { archiveKind, archiveTitle } from './kinds';
import { Turns } from './turns';

type SharpModule = typeof import('sharp');

const OPTIONS: SharpOptions = { failOn: 'error', ignoreIcc: true, limitInputPixels: MOST_PIXELS };
/** Some writers pad their files. */
const TAIL = 2048;
/** Warnings of libjpeg that are odd, but do no harm to the picture. */
const HARMLESS = /extraneous bytes|Adobe color transform|JFIF revision|SOS parameters|bad ICC marker/;

/** By the first bytes, as in the training loader. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

/** True for a lossless JPEG, which older decoders do not read: by its frame header, the first marker from C0 to CF that is no table. */
export function isLossless(bytes: Buffer): boolean {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return (marker & 3) === 3;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return false;
}

/** Rejects where an image does not decode to its end. A JPEG may lack its last bytes as long as no pixel is lost. */
export async function checkImage(sharp: SharpModule, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) throw new Error('empty');
  if (!isJpeg(bytes)) {
    if (readBitmap(bytes)) return;
    const kind = archiveKind(bytes);
    if (kind) throw new Error(`${archiveTitle(kind)}, not an image`);
    const pixels = await turns.together(() => sharp(bytes, OPTIONS).raw().toBuffer());
    if (!pixels?.length) throw new Error('it does not decode');
    return;
  }
  // All of it at full size: a decoding at a smaller size does not meet the faults in the last rows.
  const whole = withEnd(bytes);
  const decode = (failOn: 'warning' | 'error') =>
    sharp(whole, { ...OPTIONS, failOn })
      .raw()
      .toBuffer();
  // libvips keeps its messages for all threads together: one that another thread has taken arrives as a success without pixels, and
  // only an image that is decoded alone has the right one.
  const good = await turns
    .together(() => decode('warning'))
    .then(
      (pixels) => pixels?.length > 0,
      () => false,
    );
  if (good) return;
  await turns.alone(async () => {
    const pixels = await decode('warning').catch((error: Error) => {
      if (HARMLESS.test(error.message)) return decode('error');
      throw whole === bytes ? error : new Error('truncated');
    });
    if (!pixels?.length) throw new Error('it does not decode');
  });
}

/** Sharp's work on images, where it matters whose message a message is. */
const turns = new Turns();

/** Runs Sharp's work on an image that {@link openImage} has opened. */
export const finish = <T>(work: () => Promise<T>): Promise<T> => turns.together(work);

/** An image in sRGB or grey, ready for further steps. Rejects where its header is damaged. */
export async function openImage(sharp: SharpModule, bytes: Buffer): Promise<Sharp> {
  const bitmap = isJpeg(bytes) ? null : readBitmap(bytes);
  if (bitmap)
    return sharp(bitmap.data, { raw: { width: bitmap.width, height: bitmap.height, channels: 3 }, ...OPTIONS });
  const image = sharp(withEnd(bytes), OPTIONS);
  if ((await turns.together(() => image.metadata())).space !== 'cmyk') return image;
  image.pipelineColourspace('cmyk').toColourspace('cmyk').raw({ depth: 'uchar' });
  const { data, info } = await turns.together(() => image.toBuffer({ resolveWithObject: true }));
  const { width, height, channels } = info;
  return sharp(inksToRgb(data, channels), { raw: { width, height, channels: 3 }, ...OPTIONS });
}

/** Cyan, magenta, yellow and black as Pillow mixes them. */
export function inksToRgb(inks: Buffer, channels: number): Buffer {
  const count = inks.length / channels;
  const out = Buffer.allocUnsafe(count * 3);
  for (let i = 0, from = 0, to = 0; i < count; i++, from += channels) {
    const light = 255 - inks[from + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = inks[from + c]! * light + 128;
      out[to++] = light - (((product >> 8) + product) >> 8); // less ink * light / 255, rounded
    }
  }
  return out;
}

/** A JPEG with an end-of-image marker, which sharp wants even where every pixel is there. */
function withEnd(bytes: Buffer): Buffer {
  if (!isJpeg(bytes) || bytes.subarray(-TAIL).lastIndexOf(END) >= 0) return bytes;
  return Buffer.concat([bytes, END]);
}

const END = Buffer.of(0xff, 0xd9);

/** One line that says why an image was refused. */
export function reasonOf(error: unknown): string {
  const line = (error as Error).message.split('\n')[0]!.trim();
  return line.replace(/^(Input buffer has corrupt header: )?((Vips\w+|vips\w*|\w+load_buffer): )?/, '');
}

/** True for a reason that speaks of the kind of an image, not of damage. */
export function isForeign(reason: string): boolean {
  return /Unsupported JPEG process|SOF type 0x|progressive\/lossless parameters|Unsupported JPEG data precision|of a form that is not read/i.test(
    reason,
  );
}

const KINDS: readonly [name: string, start: string][] = [
  ['a JPEG', '\xff\xd8'],
  ['a PNG', '\x89PNG'],
  ['a WebP', 'RIFF'],
  ['a BMP', 'BM'],
  ['a TIFF', 'II'],
  ['a TIFF', 'MM'],
  ['a GIF', 'GIF'],
  ['a PNM', 'P'],
];

/** What an image is, by its first bytes. */
export function formatOf(bytes: Buffer): string {
  const start = bytes.toString('latin1', 0, 4);
  return KINDS.find(([, magic]) => start.startsWith(magic))?.[0] ?? 'not a JPEG';
}
