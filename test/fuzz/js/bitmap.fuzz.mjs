/** Pictures without compression: PNM and BMP. */
import { dist, fuzz } from './loop.mjs';

const bmp = (bits, width, height, data) => {
  const header = Buffer.alloc(54);
  header.write('BM');
  header.writeUInt32LE(54, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(bits, 28);
  return Buffer.concat([header, Buffer.alloc(data, 9)]);
};

await fuzz('bitmap', () => {
  const { readBitmap } = dist('data/bitmap');
  return {
    seeds: [
      ...[
        'P1 3 2 101010',
        'P2 2 2 255 1 2 3 4',
        'P3 1 1 9 1 2 3',
        'P4 9 1\nab',
        'P5 # x\n2 2 255\nabcd',
        'P6 1 1 65535\nabcdef',
      ].map((picture) => Buffer.from(picture)),
      ...[bmp(24, 2, 2, 16), bmp(8, 3, -2, 8), bmp(16, 2, 1, 4), bmp(32, 1, 1, 4), bmp(1, 9, 2, 8)],
    ],
    tokens: ['BM', 'P6', '65535', '#', '\xff\xff\xff\x7f', '\x00\x00\x00\x80', '178956970'],
    // The caller of the parser names the file and keeps the reason.
    codes: ['reason'],
    naming: false,
    parse: (bytes) => {
      let picture;
      try {
        picture = readBitmap(bytes);
      } catch (error) {
        throw error.constructor === Error ? Object.assign(error, { code: 'reason' }) : error;
      }
      if (picture && picture.data.length !== picture.width * picture.height * 3) throw new Error('pixels are missing');
    },
  };
});
