/** Tar shards in the WebDataset convention: the checksums of changed headers are made right again most of the time. */
import { readShard } from './files.mjs';
import { bytesOf, dist, fuzz } from './loop.mjs';

const BLOCK = 512;
const SEEDS = ['dotfiles', 'upper-case-cls', 'gnu-pax/train-000000', 'wds-jpeg-json/val-000000'];

function summed(bytes) {
  for (let at = 0; at + BLOCK <= bytes.length; at += BLOCK) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    bytes.fill(' ', at + 148, at + 156);
    const sum = bytes.subarray(at, at + BLOCK).reduce((a, b) => a + b, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
  return bytes;
}

await fuzz('tar', () => ({
  seeds: SEEDS.map((name) => bytesOf(`test/cases/data/${name}.tar`)),
  tokens: [
    'ustar',
    '.jpg',
    '.cls',
    '.json',
    '21 path=a/b.c.png.jpg\n',
    '30 size=99999999999999999999\n',
    'x',
    'L',
    '1',
    '5',
  ],
  codes: ['ERR_DATASET'],
  mutate: (bytes, change) => summed(change(bytes)),
  parse: (bytes, file) => readShard(dist('data/formats/tar').TAR, file, bytes),
}));
