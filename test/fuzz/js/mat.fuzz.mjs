/** meta.mat of ImageNet's development kit. */

import path from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { formats, put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

/** Changes the content of the first compressed element. */
function inside(bytes, change) {
  try {
    const packed = deflateSync(change(inflateSync(bytes.subarray(136))));
    const tag = Buffer.from(bytes.subarray(0, 136));
    tag.writeUInt32LE(packed.length, 132);
    return Buffer.concat([tag, packed]);
  } catch {
    return change(bytes);
  }
}

await fuzz('mat', () => ({
  seeds: formats('meta.mat'),
  tokens: [
    '\x0e\x00\x00\x00',
    '\x0f\x00\x00\x00',
    'synsets',
    'WNID',
    'ILSVRC2012_ID',
    '\x00\x00\x00\x80',
    '\xff\xff\xff\x7f',
  ],
  codes: ['ERR_DATASET'],
  mutate: inside,
  parse: (bytes, file) => {
    put(path.join(file, 'meta.mat'), bytes);
    return dist('data/formats/devkit').kitClasses(file);
  },
}));
