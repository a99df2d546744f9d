#!/usr/bin/env node
// Trains, evaluates, reads, aborts and ends threads in one process for hours: its memory, descriptors and threads must stay level.
//   node test/stress/soak.mjs [--minutes N] [--trainings N] [--seed N] [--svg FILE]
// Ends after --minutes, or after --trainings short trainings with ten evaluations each. Prints the samples' slope with its error; ends
// with 1 where memory grows by more than 8 MiB beyond that error, or where a descriptor or a thread stays.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const here = dirname(fileURLToPath(import.meta.url));
const { loadAddon, parseRecipe, search } = createRequire(import.meta.url)(join(here, '..', '..', 'dist', 'index.js'));
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const addon = loadAddon({ device: 'cpu' });

const PIXELS = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
const CFG = [8, 'M', 8, 'M', 8, 'M', 8, 'M', 8];

const resident = (count, padding) =>
  addon.createDataset({
    images: new Uint8Array(count * 3072).map((_, i) => (i * 7919) % 256),
    labels: new Int32Array(count).map((_, i) => i % 10),
    ...{ height: 32, width: 32, classes: 10, device: 'cpu', ...PIXELS, padding, flip: padding > 0 },
    ...{ filter: { kind: 'none', sigma: 1 }, threshold: 0 },
  });

/**
 * One training of two steps and ten evaluations. With `drop` nobody disposes of its handles; with `abort` it is stopped
 * within the epoch.
 */
async function training({ drop = false, abort = false }) {
  const [train, test] = await Promise.all([resident(64, 4), resident(16, 0)]);
  const model = await addon.createModel({ arch: 'vgg', depth: 11, classes: 10, cfg: CFG, seed: 1, device: 'cpu' });
  const trainer = await addon.createTrainer(model, {
    ...{ momentum: 0.9, weightDecay: 1e-4, l1: 1e-4, precision: 'fp32', seed: 1 },
  });
  const stop = new AbortController();
  const epoch = trainer.epoch({ dataset: train, epoch: 0, lr: 0.01, batchSize: 32, signal: stop.signal });
  if (abort) setImmediate(() => stop.abort());
  await epoch.catch((error) => {
    if (!abort) throw error;
  });
  for (let i = 0; i < 10; i++) await model.evaluate({ dataset: test, batchSize: 16, precision: 'fp32' });
  const handles = [trainer, model, train, test];
  if (!abort) {
    const [mask] = await model.masks([0.5]);
    handles.unshift((await model.prune({ mask: mask.bits, emptyLayers: 'keep-one' })).model);
  }
  if (!drop) for (const handle of handles) handle.dispose();
}

const jpegs = join(here, '..', 'fixtures', 'jpeg');
const files = readdirSync(jpegs)
  .filter((name) => name.endsWith('.jpg'))
  .map((name) => join(jpegs, name));

/** A loader of JPEG files that is opened, read and dropped; with `abort` while it reads. */
async function loading(abort) {
  const count = 32;
  const stream = await addon.createStream({
    ...{ files, classes: 10, device: 'cpu', ...PIXELS, size: 32, transform: 'train', resize: 40 },
    ...{ workers: 2, maxBad: 0, rank: 0, worldSize: 1 },
    file: new Int32Array(count).map((_, i) => i % files.length),
    offsets: new Float64Array(count),
    lengths: new Float64Array(count).fill(-1),
    labels: new Int32Array(count),
  });
  const stop = new AbortController();
  const pass = stream.drain({ seed: 1, epoch: 0, batchSize: 8, signal: stop.signal });
  if (abort) setImmediate(() => stop.abort());
  await pass.catch((error) => {
    if (!abort) throw error;
  });
  stream.dispose();
}

/** A thread that trains; with `terminate` it is ended from outside while it does. */
async function threading(terminate) {
  const worker = new Worker(fileURLToPath(import.meta.url));
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  if (terminate) await worker.terminate();
  else worker.postMessage('end');
  await ended;
}

/** A whole search with its folder, as the command line runs it. */
async function running(folder) {
  const save = mkdtempSync(join(folder, 'run-'));
  const recipe = parseRecipe('search', {
    ...{ dataset: 'synthetic', limitTrain: 64, limitTest: 32, arch: 'vgg', depth: 11, cfg: CFG, device: 'cpu' },
    ...{ epochs: 2, batchSize: 32, testBatchSize: 32, lr: 0.05, save },
  });
  await search(recipe);
  rmSync(save, { recursive: true });
}

const entries = (name) => readdirSync(`/proc/self/${name}`).length;
function sample() {
  collect();
  const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  return { resident, descriptors: entries('fd'), threads: entries('task') };
}

/** Least squares: the slope of y over x and its standard error. */
function line(points) {
  const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const sxx = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / sxx;
  const rest = points.reduce((sum, [x, y]) => sum + (y - my - slope * (x - mx)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (points.length - 2) / sxx) };
}

function drawing(samples) {
  const most = Math.max(...samples.map(({ resident }) => resident));
  const last = samples.at(-1).trainings;
  const at = ({ trainings, resident }) =>
    `${(50 + (540 * trainings) / last).toFixed(1)},${(220 - (200 * resident) / most).toFixed(1)}`;
  const mib = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 250" font-family="sans-serif" font-size="11">
<title>Resident memory over trainings in one process</title>
<path d="M50 20V220H590" fill="none" stroke="#888"/><path d="M${samples.map(at).join(' L')}" fill="none" stroke="#06c"/>
<text x="46" y="24" text-anchor="end">${mib(most)}</text><text x="46" y="224" text-anchor="end">0</text>
<text x="590" y="238" text-anchor="end">${last} trainings, ${last * 10} evaluations</text></svg>\n`;
}

async function soak() {
  const { values } = parseArgs({
    options: Object.fromEntries(['minutes', 'trainings', 'seed', 'svg'].map((name) => [name, { type: 'string' }])),
  });
  const end = Date.now() + Number(values.minutes ?? (values.trainings ? 1e6 : 10)) * 60_000;
  const limit = Number(values.trainings ?? Number.POSITIVE_INFINITY);
  let state = Number(values.seed ?? 1);
  const chance = (share) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 < share;
  };
  const folder = mkdtempSync(join(tmpdir(), 'earlybird-soak-'));
  const counts = { trainings: 0, loaders: 0, threads: 0, searches: 0, aborted: 0 };
  const samples = [];
  while (counts.trainings < limit && Date.now() < end) {
    const abort = chance(0.2);
    await training({ drop: chance(0.1), abort });
    counts.trainings++;
    if (abort) counts.aborted++;
    if (chance(0.2)) await loading(chance(0.5)).then(() => counts.loaders++);
    if (chance(0.02)) await threading(chance(0.5)).then(() => counts.threads++);
    if (chance(0.02)) await running(folder).then(() => counts.searches++);
    if (counts.trainings % 20 === 0) samples.push({ trainings: counts.trainings, ...sample() });
  }
  rmSync(folder, { recursive: true });
  if (samples.length < 10) throw new Error('fewer than 200 trainings: give --minutes or --trainings more');
  // The first quarter is left out: an allocator takes its time to reach its size.
  const settled = samples.slice(Math.floor(samples.length / 4));
  const { slope, error } = line(settled.map(({ trainings, resident }) => [trainings, resident]));
  const span = settled.at(-1).trainings - settled[0].trainings;
  const mib = (bytes) => Number((bytes / 2 ** 20).toFixed(2));
  const range = (name) => [Math.min(...settled.map((one) => one[name])), Math.max(...settled.map((one) => one[name]))];
  const verdict = {
    ...counts,
    evaluations: counts.trainings * 10,
    residentMiB: range('resident').map(mib),
    growthMiB: mib(slope * span),
    growthErrorMiB: mib(error * span),
    descriptors: range('descriptors'),
    systemThreads: range('threads'),
  };
  console.log(JSON.stringify(verdict));
  if (values.svg) writeFileSync(values.svg, drawing(samples));
  const [first, last] = [settled[0], settled.at(-1)];
  const stays = last.descriptors > first.descriptors || last.threads > first.threads;
  process.exitCode = stays || (slope - 3 * error) * span > 8 * 2 ** 20 ? 1 : 0;
}

async function inThread() {
  await training({});
  parentPort.postMessage('trained');
  parentPort.once('message', () => parentPort.close());
  for (let i = 0; i < 10; i++) await training({ drop: true });
}

await (isMainThread ? soak() : inThread());
