/**
 * Decodes images with sharp by the rules of the training loader: it accepts the same files, and gives pictures in inks
 * (CMYK) the same colours. EXIF rotation and colour profiles are ignored.
 */
import type { Sharp, SharpOptions } from 'sharp';
import { EarlybirdError } from '../errors';
import { MOST_PIXELS, readBitmap } from './bitmap';
import { archiveKind, archiveTitle } from './kinds';
import { Turns } from './turns';

type SharpModule = typeof import('sharp');

const OPTIONS: SharpOptions = { failOn: 'error', ignoreIcc: true, limitInputPixels: MOST_PIXELS };
/** Bytes at the end that are searched for the end marker, as some writers pad their files. */
const TAIL = 2048;
/** Matches warnings of libjpeg that do no harm to the picture. */
const HARMLESS = /extraneous bytes|Adobe color transform|JFIF revision|SOS parameters|bad ICC marker/;

/** True for a JPEG, told by its first bytes as the loader does. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

/**
 * True for a lossless JPEG, which older decoders do not read. Its frame header is the first marker from C0 to CF that
 * is not a table.
 */
export function isLossless(bytes: Buffer): boolean {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return (marker & 3) === 3;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return false;
}

/**
 * Checks an image; rejects where it does not decode to its end. A JPEG may lack its last bytes as long as no pixel is
 * lost.
 */
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
  // The image is decoded at full size, since decoding at a smaller size misses faults in the last rows.
  const whole = withEnd(bytes);
  const decode = (failOn: 'warning' | 'error') =>
    sharp(whole, { ...OPTIONS, failOn })
      .raw()
      .toBuffer();
  // libvips keeps one list of messages for all threads. Where another thread has taken the message, the failure looks
  // like a success without pixels, so a failed image is decoded again alone to get its own message.
  const good = await turns
    .together(() => decode('warning'))
    .then(
      (pixels) => pixels?.length > 0,
      () => false,
    );
  if (good) return;
  await turns.alone(async () => {
    const pixels = await decode('warning').catch((error: Error) => {
      refuseMemory(error);
      if (HARMLESS.test(error.message)) return decode('error');
      throw whole === bytes ? error : new Error('truncated');
    });
    if (!pixels?.length) throw new Error('it does not decode');
  });
}

/** Keeps sharp's work apart where a message must belong to the image at hand. */
const turns = new Turns();

/** Runs sharp's work on an image that {@link openImage} has opened. */
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

/** Mixes cyan, magenta, yellow and black as Pillow does. */
export function inksToRgb(inks: Buffer, channels: number): Buffer {
  const count = inks.length / channels;
  const out = Buffer.allocUnsafe(count * 3);
  for (let i = 0, from = 0, to = 0; i < count; i++, from += channels) {
    const light = 255 - inks[from + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = inks[from + c]! * light + 128;
      out[to++] = light - (((product >> 8) + product) >> 8); // less the rounded ink * light / 255
    }
  }
  return out;
}

/** The JPEG with an end-of-image marker, which sharp requires even where every pixel is present. */
function withEnd(bytes: Buffer): Buffer {
  if (!isJpeg(bytes) || bytes.subarray(-TAIL).lastIndexOf(END) >= 0) return bytes;
  return Buffer.concat([bytes, END]);
}

const END = Buffer.of(0xff, 0xd9);

/** Matches errors of Node, libvips and its decoders where memory runs out. */
const MEMORY = /out of memory|insufficient memory|allocation failed|unable to allocate|cannot allocate/i;

/** Throws ERR_OUT_OF_MEMORY for an error that tells of the machine and not of the image. */
export function refuseMemory(error: unknown): void {
  const { message, code } = error as Error & { code?: unknown };
  if (code === 'ERR_OUT_OF_MEMORY') throw error;
  if (MEMORY.test(message))
    throw new EarlybirdError(
      'ERR_OUT_OF_MEMORY',
      'Memory ran out while an image was decoded: end other programs, and run the same command again.',
      message,
    );
}

/** One line that says why an image was refused. Throws ERR_OUT_OF_MEMORY where memory ran out. */
export function reasonOf(error: unknown): string {
  refuseMemory(error);
  const line = (error as Error).message.split('\n')[0]!.trim();
  return line.replace(/^(Input buffer has corrupt header: )?((Vips\w+|vips\w*|\w+load_buffer): )?/, '');
}

/** True for a reason that names the kind of an image rather than damage. */
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

/** Kind of an image, told by its first bytes. */
export function formatOf(bytes: Buffer): string {
  const start = bytes.toString('latin1', 0, 4);
  return KINDS.find(([, magic]) => start.startsWith(magic))?.[0] ?? 'not a JPEG';
}
