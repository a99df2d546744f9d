/**
 * Values in the samples of MDS shards (streaming's encodings): positions of columns, class numbers, and PIL images,
 * which hold raw pixels.
 */
import { inksToRgb } from '../decode';
import { pixmap } from './columns';

/**
 * Position of a column in a sample, which begins with the lengths (uint32) of the columns that vary, followed by the
 * columns. Null where it is cut off.
 */
export function columnIn(sample: Buffer, sizes: readonly (number | null)[], column: number) {
  const varying = sizes.filter((size) => size === null).length;
  if (4 * varying > sample.length) return null;
  let at = 4 * varying;
  let next = 0;
  for (let i = 0; ; i++) {
    const length = sizes[i] ?? sample.readUInt32LE(4 * next++);
    if (i === column) return { at, length };
    at += length;
  }
}

const INTEGERS: Record<string, (bytes: Buffer) => number | bigint> = {
  int: (bytes) => bytes.readBigInt64LE(0),
  int64: (bytes) => bytes.readBigInt64LE(0),
  uint64: (bytes) => bytes.readBigUInt64LE(0),
  int32: (bytes) => bytes.readInt32LE(0),
  uint32: (bytes) => bytes.readUInt32LE(0),
  int16: (bytes) => bytes.readInt16LE(0),
  uint16: (bytes) => bytes.readUInt16LE(0),
  int8: (bytes) => bytes.readInt8(0),
  uint8: (bytes) => bytes.readUInt8(0),
};
const TEXTS = ['str_int', 'str'];
/** Length of the longest name of a class. */
const MOST_TEXT = 4096;

export const isIntegerKind = (kind: string): boolean => Object.hasOwn(INTEGERS, kind);
export const isLabelKind = (kind: string): boolean => isIntegerKind(kind) || TEXTS.includes(kind);

/** An integer or a text; null for any other value. */
export function integerIn(kind: string, bytes: Buffer): number | bigint | string | null {
  if (TEXTS.includes(kind)) return bytes.length <= MOST_TEXT ? bytes.toString('utf8') : null;
  try {
    return INTEGERS[kind]!(bytes);
  } catch {
    return null;
  }
}

/**
 * Channels of Pillow's modes. A palette is not stored, so its indexes count as grey values, as when Pillow reads them.
 */
const CHANNELS: Record<string, number> = { L: 1, P: 1, LA: 2, RGB: 3, RGBA: 4, RGBX: 4, CMYK: 4 };

/** Reads the header: width, height, length of the mode (uint32 each), the mode, then the pixels. */
function pilHeader(bytes: Buffer) {
  if (bytes.length < 12) return null;
  const [width, height, length] = [0, 4, 8].map((at) => bytes.readUInt32LE(at)) as [number, number, number];
  if (length > 8 || bytes.length < 12 + length) return null;
  const mode = bytes.toString('latin1', 12, 12 + length);
  return { width, height, mode, start: 12 + length };
}

/** Reason, told by its beginning, why a PIL image of `length` bytes cannot be read; null where it can. */
export function pilProblem(beginning: Buffer, length: number): string | null {
  const header = pilHeader(beginning);
  if (!header) return 'a damaged PIL image';
  const { width, height, mode, start } = header;
  const channels = CHANNELS[mode];
  if (channels === undefined) return `a PIL image of mode ${mode}, which is not read`;
  return width > 0 && height > 0 && start + width * height * channels === length ? null : 'a damaged PIL image';
}

/** The pixels of a PIL image as a file; empty where it cannot be read. */
export function pilImage(bytes: Buffer): Buffer {
  if (pilProblem(bytes, bytes.length) !== null) return Buffer.alloc(0);
  const { width, height, mode, start } = pilHeader(bytes)!;
  const pixels = bytes.subarray(start);
  const channels = CHANNELS[mode]!;
  if (mode === 'CMYK') return pixmap(width, height, inksToRgb(pixels, channels));
  const kept = channels < 3 ? 1 : 3;
  if (kept === channels) return pixmap(width, height, pixels);
  const opaque = Buffer.alloc(width * height * kept);
  for (let i = 0; i < opaque.length; i++) opaque[i] = pixels[Math.floor(i / kept) * channels + (i % kept)]!;
  return pixmap(width, height, opaque);
}
