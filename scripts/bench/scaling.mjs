#!/usr/bin/env node
// Prints the predictions of the model of docs/scaling.md for a cluster, from a network's own layers. Nothing is
// measured; the assumptions are options.
//   node scripts/bench/scaling.mjs [--network resnet50] [--rate N] [--nvlink GB/s] [--network-gbits N] [--latency-us N]
// --rate: images a second of one GPU alone, at any of the batch sizes.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const { loadAddon } = require('../../dist/native/addon');
const { bucketsOf, stepOn } = require('../../dist/bench/scaling-model');

const NETWORKS = {
  resnet50: { arch: 'resnet50_official', depth: 50, classes: 1000 },
  vgg16: { arch: 'vgg', depth: 16, classes: 10 },
};
const { values } = parseArgs({
  options: {
    network: { type: 'string', default: 'resnet50' },
    rate: { type: 'string', default: '3000' },
    nvlink: { type: 'string', default: '450' },
    'network-gbits': { type: 'string', default: '400' },
    'latency-us': { type: 'string', default: '10' },
  },
});
const cluster = {
  perNode: 8,
  within: { bytesPerSecond: Number(values.nvlink) * 1e9, latency: 2e-6 },
  between: {
    bytesPerSecond: (Number(values['network-gbits']) / 8) * 1e9,
    latency: Number(values['latency-us']) * 1e-6,
  },
};

const addon = loadAddon({ device: 'cpu' });
const model = await addon.createModel({ ...NETWORKS[values.network], seed: 1, device: 'cpu' });
const { layers, batchNorms } = model.describe();
model.dispose();

/** Parameters and multiplications of a layer. */
function costOf(layer) {
  if (layer.kind === 'conv') {
    const weights = (layer.in / layer.groups) * layer.out * layer.kernel ** 2;
    return { parameters: weights + (layer.bias ? layer.out : 0), work: weights * layer.height * layer.width };
  }
  if (layer.kind === 'linear')
    return { parameters: layer.in * layer.out + (layer.bias ? layer.out : 0), work: layer.in * layer.out };
  return { parameters: layer.kind === 'batchnorm' ? 2 * layer.channels : 0, work: 0 };
}
const costs = layers.map(costOf).reverse();
const whole = costs.reduce((sum, { work }) => sum + work, 0);
const count = costs.reduce((sum, { parameters }) => sum + parameters, 0);
const parts = (bytesEach) => {
  let done = 0;
  return costs.map(({ parameters, work }) => {
    done += work;
    return { bytes: parameters * bytesEach, ready: done / whole };
  });
};

console.log(
  `${values.network}: ${(count / 1e6).toFixed(1)} M parameters, ${batchNorms.length} BatchNorm layers; assumed ${values.rate} images/s a GPU,`,
);
console.log(
  `NVLink ${values.nvlink} GB/s, ${values['network-gbits']} Gb/s a GPU between nodes with ${values['latency-us']} us a message\n`,
);
console.log('gradients  --sync-bn  images a GPU  GPUs  step, ms  waiting, ms  efficiency');
for (const [name, bytesEach] of [
  ['fp32', 4],
  ['bf16', 2],
])
  for (const sync of [false, true])
    for (const batch of [32, 256]) {
      const step = batch / Number(values.rate);
      const buckets = bucketsOf(parts(bytesEach), { first: 1 << 20, limit: 4 << 20 });
      for (const gpus of [8, 64, 1024]) {
        const smallSums = 1 + (sync ? 2 * batchNorms.length : 0);
        const { seconds, waiting, efficiency } = stepOn(
          { forward: step / 3, backward: (2 * step) / 3, buckets, smallSums },
          gpus,
          cluster,
        );
        const cells = [
          name.padEnd(9),
          (sync ? 'yes' : 'no').padEnd(9),
          String(batch).padStart(12),
          String(gpus).padStart(4),
        ];
        const figures = [
          (1000 * seconds).toFixed(2).padStart(8),
          (1000 * waiting).toFixed(2).padStart(11),
          efficiency.toFixed(3).padStart(10),
        ];
        console.log([...cells, ...figures].join('  '));
      }
    }
