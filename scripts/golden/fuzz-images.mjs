#!/usr/bin/env node
// Writes the first inputs of the corpora of images for test/fuzz: small pictures of each kind. Needs the addon, for
// packed ones.
//   node scripts/golden/fuzz-images.mjs FOLDER     into FOLDER/jpeg, FOLDER/packed and FOLDER/ppm
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';

const require = createRequire(import.meta.url);
const { jpegPacker } = require('../../dist/engine/jpeg-packer.js');

const put = (kind, name, bytes) => {
  const folder = join(process.argv[2], kind);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), bytes);
};

const picture = (width, height) => {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + (i >> 4) * 11) & 255);
  return sharp(pixels, { raw: { width, height, channels: 3 } }).blur(1.5);
};
const kinds = {
  420: (image) => image.jpeg({ quality: 60 }),
  444: (image) => image.jpeg({ quality: 90, chromaSubsampling: '4:4:4' }),
  progressive: (image) => image.jpeg({ quality: 60, progressive: true }),
  trellis: (image) => image.jpeg({ quality: 50, mozjpeg: true }),
  gray: (image) => image.grayscale().jpeg({ quality: 60 }),
  cmyk: (image) => image.toColourspace('cmyk').jpeg({ quality: 60 }),
};

const pack = await jpegPacker();
for (const [name, encode] of Object.entries(kinds)) {
  for (const [width, height] of [
    [8, 8],
    [37, 21],
    [17, 65],
  ]) {
    const jpeg = await encode(picture(width, height)).toBuffer();
    put('jpeg', `${name}-${width}`, jpeg);
    const packed = await pack?.(jpeg);
    // Behind the magic bytes and the checksum, which the target sets.
    if (packed) put('packed', `${name}-${width}`, packed.subarray(12));
  }
}
for (const [width, height] of [
  [1, 1],
  [20, 9],
  [64, 3],
])
  put(
    'ppm',
    `${width}`,
    Buffer.concat([Buffer.from(`${width} ${height}\n255\n`), Buffer.alloc(width * height * 3, 99)]),
  );
