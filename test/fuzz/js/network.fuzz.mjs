/** Networks that are files (--arch NAME.json). */
import { put } from './files.mjs';
import { bytesOf, dist, fuzz } from './loop.mjs';

const SMALL = {
  earlybird: 1,
  name: 'small',
  layers: [
    { name: 'c', kind: 'conv', out: 4, kernel: 3, padding: 1 },
    { name: 'b', kind: 'batchnorm' },
    { name: 'r', kind: 'relu' },
  ],
};

await fuzz('network', () => {
  const { readNetwork } = dist('network/file');
  return {
    seeds: [Buffer.from(JSON.stringify(SMALL)), bytesOf('networks/alexnet_bn.json')],
    tokens: [
      '"kind":"add"',
      '"kind":"linear"',
      '"inputs":["image"]',
      '"out":',
      '"__proto__":',
      'null',
      '[]',
      '{}',
      '1e999',
      '65537',
    ],
    codes: ['ERR_MODEL'],
    parse: (bytes, file) => readNetwork(put(file, bytes)),
  };
});
