/** Reads pictures without compression, which sharp does not: PBM, PGM and PPM (P1 to P6), and BMP. */

export interface Bitmap {
  width: number;
  height: number;
  /** RGB values, row by row. */
  data: Buffer;
}

/** Limit of the pixels of a picture, as in Pillow: a header of a few bytes can claim 4 gigapixels. */
export const MOST_PIXELS = 178_956_970;

/** Reads a picture; null for bytes of another kind. Throws where the picture is damaged or in an unsupported form. */
export function readBitmap(bytes: Buffer): Bitmap | null {
  if (bytes[0] === 0x50 && bytes[1]! >= 0x31 && bytes[1]! <= 0x36) return readNetpbm(bytes);
  return bytes.toString('latin1', 0, 2) === 'BM' ? readBmp(bytes) : null;
}

function blank(width: number, height: number): Bitmap {
  if (!(width > 0 && height > 0)) throw new Error('a picture without pixels');
  if (width * height > MOST_PIXELS) throw new Error('too large (more than 178 megapixels)');
  return { width, height, data: Buffer.alloc(width * height * 3) };
}

/** Numbers of the header, read past blanks and comments, and the position of the next byte. */
function numbersAt(bytes: Buffer, from: number, count: number): { numbers: number[]; at: number } {
  const numbers: number[] = [];
  let at = from;
  while (numbers.length < count) {
    while (at < bytes.length && (isBlank(bytes[at]!) || bytes[at] === 0x23))
      if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 0x0a) at++;
      else at++;
    const start = at;
    while (at < bytes.length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    if (at === start || at - start > 9) throw new Error('truncated or damaged: a number is missing');
    numbers.push(Number(bytes.toString('latin1', start, at)));
  }
  return { numbers, at };
}

const isBlank = (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

function readNetpbm(bytes: Buffer): Bitmap {
  const kind = bytes[1]! - 0x30;
  const [bits, colours] = [kind === 1 || kind === 4, kind === 3 || kind === 6];
  const { numbers, at } = numbersAt(bytes, 2, bits ? 2 : 3);
  const [width, height, most = 1] = numbers as [number, number, number?];
  if (most < 1 || most > 65535) throw new Error('damaged: its largest value is impossible');
  const channels = colours ? 3 : 1;
  const size = most > 255 ? 2 : 1;
  const stride = kind === 4 ? Math.ceil(width / 8) : width * channels * size;
  // A text form has at least one byte for each value.
  if (at + 1 + (kind < 4 ? width * height * channels : stride * height) > bytes.length) throw new Error('truncated');
  const out = blank(width, height);
  const values = kind > 1 && kind < 4 ? numbersAt(bytes, at, width * height * channels).numbers : null;
  const digits = kind === 1 ? digitsAt(bytes, at, width * height) : null;
  const valueAt = (y: number, i: number): number => {
    if (values) return values[y * width * channels + i]!;
    if (digits) return 1 - digits[y * width + i]!;
    const row = at + 1 + y * stride;
    if (kind === 4) return 1 - ((bytes[row + (i >> 3)]! >> (7 - (i & 7))) & 1);
    return size === 2 ? bytes.readUInt16BE(row + 2 * i) : bytes[row + i]!;
  };
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        out.data[to++] = Math.round((Math.min(most, valueAt(y, colours ? x * 3 + c : x)) * 255) / most);
  return out;
}

/** Reads the digits of a P1, which need no blanks between them. */
function digitsAt(bytes: Buffer, from: number, count: number): Uint8Array {
  const digits = new Uint8Array(count);
  let found = 0;
  for (let at = from; at < bytes.length && found < count; at++)
    if (bytes[at] === 0x30 || bytes[at] === 0x31) digits[found++] = bytes[at]! - 0x30;
  if (found < count) throw new Error('truncated');
  return digits;
}

function readBmp(bytes: Buffer): Bitmap {
  if (bytes.length < 26) throw new Error('truncated');
  const [first, header] = [bytes.readUInt32LE(10), bytes.readUInt32LE(14)];
  const old = header === 12;
  if (!old && (header < 40 || bytes.length < 14 + header)) throw new Error('a BMP of a form that is not read');
  const width = old ? bytes.readUInt16LE(18) : bytes.readInt32LE(18);
  const rows = old ? bytes.readUInt16LE(20) : bytes.readInt32LE(22);
  const bits = bytes.readUInt16LE(old ? 24 : 28);
  const compression = old ? 0 : bytes.readUInt32LE(30);
  if (![1, 4, 8, 16, 24, 32].includes(bits) || !(compression === 0 || (compression === 3 && bits > 8)))
    throw new Error(`a BMP of a form that is not read (${bits} bits, compression ${compression})`);
  const stride = Math.ceil((width * bits) / 32) * 4;
  const height = Math.abs(rows);
  if (width > 0 && first + stride * height > bytes.length) throw new Error('truncated');
  // Masks of colours lie behind a header of 40 bytes, or are the next fields of a longer one.
  if (compression === 3 && bytes.length < 54 + 12) throw new Error('truncated');
  const out = blank(width, height);
  const colours = paletteOf(bytes, 14 + header, old ? 3 : 4, bits, old ? 0 : bytes.readUInt32LE(46), first);
  const masks = compression === 3 ? [0, 4, 8].map((i) => bytes.readUInt32LE(54 + i)) : MASKS[bits];
  for (let y = 0, to = 0; y < height; y++) {
    const row = first + stride * (rows > 0 ? height - 1 - y : y);
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        if (bits <= 8) {
          const index = (bytes[row + ((x * bits) >> 3)]! >> (8 - bits - ((x * bits) & 7))) & ((1 << bits) - 1);
          out.data[to++] = colours![index * 3 + c]!;
        } else if (bits === 24) out.data[to++] = bytes[row + x * 3 + 2 - c]!;
        else {
          const value = bits === 16 ? bytes.readUInt16LE(row + x * 2) : bytes.readUInt32LE(row + x * 4);
          out.data[to++] = scaled(value, masks![c]!);
        }
      }
  }
  return out;
}

/** Masks of red, green and blue where a BMP names none. */
const MASKS: Record<number, number[]> = { 16: [0x7c00, 0x3e0, 0x1f], 32: [0xff0000, 0xff00, 0xff] };

/** The bits under a mask, scaled to at most 255. */
function scaled(value: number, mask: number): number {
  if (mask === 0) return 0;
  const lowest = 2 ** Math.log2((mask & -mask) >>> 0);
  const most = Math.floor(mask / lowest);
  return Math.round((((((value & mask) >>> 0) / lowest) | 0) * 255) / most);
}

function paletteOf(bytes: Buffer, at: number, size: number, bits: number, named: number, end: number): Buffer | null {
  if (bits > 8) return null;
  const colours = Buffer.alloc((1 << bits) * 3);
  const count = Math.min(named || 1 << bits, 1 << bits);
  for (let i = 0; i < count && at + (i + 1) * size <= Math.min(end, bytes.length); i++)
    for (let c = 0; c < 3; c++) colours[i * 3 + c] = bytes[at + i * size + 2 - c]!;
  return colours;
}
