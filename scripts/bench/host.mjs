#!/usr/bin/env node
// Times the work around training: start-up, late timers, checkpoints, the distance matrix. Prints one JSON object.
//   node scripts/bench/host.mjs
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTimes } from './start.mjs';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
const require = createRequire(import.meta.url);
const api = require(join(root, 'dist/index.js'));
const { spread } = require(join(root, 'dist/measure.js'));

const round = (value) => Number(value.toPrecision(3));

/** Returns how late a timer of 10 ms fires while `work` runs, in ms. */
async function lag(work) {
  const late = [];
  let due = performance.now() + 10;
  const tick = () => {
    late.push(performance.now() - due);
    due = performance.now() + 10;
    timer = setTimeout(tick, 10);
  };
  let timer = setTimeout(tick, 10);
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  clearTimeout(timer);
  late.sort((a, b) => a - b);
  return {
    seconds: round(seconds),
    p99: round(late[Math.floor(late.length * 0.99)] ?? 0),
    most: round(late.at(-1) ?? 0),
  };
}

const addon = api.loadAddon({ device: 'cpu' });
const model = await addon.createModel({ arch: 'vgg', depth: 16, classes: 10, seed: 1, device: 'cpu' });
const trainer = await addon.createTrainer(model, {
  momentum: 0.9,
  weightDecay: 1e-4,
  l1: 1e-4,
  precision: 'fp32',
  seed: 1,
});
const count = 1280;
const dataset = await addon.createDataset({
  images: Uint8Array.from({ length: count * 3072 }, (_, i) => (i * 2654435761) >>> 24),
  labels: Int32Array.from({ length: count }, (_, i) => i % 10),
  ...{ height: 32, width: 32, classes: 10, device: 'cpu', padding: 4, flip: true, threshold: 0 },
  ...{ mean: [0.49, 0.48, 0.45], std: [0.2, 0.2, 0.2], filter: { kind: 'none', sigma: 1 } },
});
const epoch = (index) => trainer.epoch({ dataset, epoch: index, lr: 0.01, batchSize: 64 });
await epoch(0);

const folder = mkdtempSync(join(os.tmpdir(), 'earlybird-bench-'));
const file = join(folder, 'a.pth.tar');
const { state, momentum } = await trainer.snapshot();
const checkpoint = api.stateDictValue(
  new Map([...state, ...[...momentum].map(([key, value]) => [`momentum.${key}`, value])]),
);
const write = () => api.writeCheckpoint(file, checkpoint);
await write();

const bits = 4224;
const masks = Uint8Array.from({ length: 160 * (bits / 8) }, (_, i) => (i * 40503) >>> 8);
const matrixMs = Array.from({ length: 20 }, () => {
  const start = performance.now();
  addon.maskOverlap(masks, 160, bits);
  return performance.now() - start;
});

console.log(
  JSON.stringify(
    {
      machine: `${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}, LibTorch ${addon.loaded}`,
      date: new Date().toISOString().slice(0, 10),
      startSeconds: startTimes(),
      timerLagMs: {
        epoch: await lag(() => epoch(1)),
        evaluate: await lag(() => model.evaluate({ dataset, batchSize: 64, precision: 'fp32' })),
        checkpoint: await lag(write),
        epochWithCheckpoint: await lag(() => Promise.all([epoch(2), write()])),
      },
      epochAlone: (await lag(() => epoch(3))).seconds,
      checkpointMegabytes: round(statSync(file).size / 1e6),
      matrixMs: round(spread(matrixMs).median),
    },
    null,
    2,
  ),
);
rmSync(folder, { recursive: true });
for (const handle of [trainer, model, dataset]) handle.dispose();
