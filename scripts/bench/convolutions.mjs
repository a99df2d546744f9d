#!/usr/bin/env node
// Times by which the program chooses its convolutions on this CPU: an example of each class, forward and backward,
// batch 16 to 32, the best of five turns. Measures anew; neither reads nor changes the program's answers for this
// machine.
//   node scripts/bench/convolutions.mjs [--precision bf16]
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { loadAddon } = createRequire(import.meta.url)('../../dist/index.js');
const { precision } = parseArgs({ options: { precision: { type: 'string', default: 'fp32' } } }).values;
const NETWORKS = [
  { arch: 'vgg', depth: 16 },
  { arch: 'resnet', depth: 101 },
];

const addon = loadAddon();
addon.setKernels({ mode: 'auto', known: {} });
for (const network of NETWORKS) {
  const model = await addon.createModel({ ...network, classes: 10, seed: 1, device: 'cpu' });
  await model.chooseKernels({ precision });
  model.dispose();
}
const rows = addon.kernels().map(({ class: name, kernel, milliseconds }) => {
  const times = Object.entries(milliseconds).map(([algorithm, ms]) => `${algorithm} ${ms.toFixed(2)}`);
  return `| ${name} | ${times.join(', ')} | ${kernel} |`;
});
console.log(['| class | ms | taken |', '|---|---|---|', ...rows].join('\n'));
