/** FFCV's .beton files. */
import { readShard } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

/** A file with the fields `image` and `label`, pages of 64 bytes, and images of which one is raw. */
function beton(modes) {
  const field = (type, name) => Buffer.concat([Buffer.from([type]), Buffer.from(name.padEnd(16 + 1024, '\0'))]);
  const number = (value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const fields = [field(2, 'image'), field(1, 'label')];
  const start = 24 + fields.length * 1041 + modes.length * 24;
  const record = (mode, i) => {
    const bytes = Buffer.alloc(24);
    bytes[0] = mode;
    bytes.writeUInt16LE(4, 1);
    bytes.writeUInt16LE(4, 3);
    number(start + 64 * i).copy(bytes, 5);
    bytes[16] = i;
    return bytes;
  };
  const header = Buffer.concat([
    Buffer.from([2, 0, fields.length, 0, 64, 0, 0, 0]),
    number(modes.length),
    number(start + 64 * modes.length),
  ]);
  const pages = modes.map((_, i) => Buffer.alloc(64, 40 + i));
  const table = modes.map((_, i) => Buffer.concat([number(i), number(start + 64 * i), number(48)]));
  return Buffer.concat([header, ...fields, ...modes.map(record), ...pages, ...table]);
}

await fuzz('beton', () => ({
  seeds: [beton([0, 0]), beton([1, 1, 0])],
  tokens: ['\x02\x00\x02\x00', 'image\x00', 'label\x00', '\xff\xff\xff\xff\xff\xff\xff\x7f', '\x01', '\x00'],
  codes: ['ERR_DATASET'],
  parse: (bytes, file) => readShard(dist('data/formats/beton').BETON, file, bytes),
}));
