/** numpy's arrays. */
import { dist, fuzz } from './loop.mjs';

const npy = (header, data) => {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length + 1);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(`${header}\n`), data]);
};

await fuzz('npy', () => ({
  seeds: [
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", Buffer.alloc(24, 1)),
    npy("{'descr': '<i8', 'fortran_order': True, 'shape': (2, 2), }", Buffer.alloc(32, 2)),
    npy("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", Buffer.alloc(1)),
  ],
  tokens: ['True', 'False', "'<f8'", "'>f4'", "'|b1'", "'|O'", '(0,)', '(3, 0, 5)', '(1000000, 1000000)', '}', '\n'],
  parse: dist('checkpoint/npy').parseNpy,
}));
