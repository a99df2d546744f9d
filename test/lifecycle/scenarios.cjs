// Run in child processes by lifecycle.test.ts: each scenario leaves the process in another way while the engine trains.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { loadAddon } = require('../../dist/native/addon.js');

const SIZE = { height: 32, width: 32, classes: 10, device: 'cpu' };
const PLAIN = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], filter: { kind: 'none', sigma: 1 }, threshold: 0 };

/** A training run that would last for minutes; resolves once its first step is done. */
async function training(options = {}) {
  const addon = loadAddon({ device: 'cpu' });
  const count = options.count ?? 100_000;
  const dataset = await addon.createDataset({
    images: new Uint8Array(count * 3072).fill(7),
    labels: new Int32Array(count).map((_, i) => i % 10),
    ...SIZE,
    ...PLAIN,
    padding: 4,
    flip: true,
  });
  const cfg = [8, 'M', 8, 'M', 8, 'M', 8, 'M', 8];
  const model = await addon.createModel({ arch: 'vgg', depth: 11, classes: 10, cfg, seed: 1, device: 'cpu' });
  const trainer = await addon.createTrainer(model, {
    momentum: 0.9,
    weightDecay: 0,
    l1: 0,
    precision: 'fp32',
    seed: 1,
  });
  let ended;
  const started = new Promise((resolve) => {
    ended = trainer.epoch({ dataset, epoch: 0, lr: 0.001, batchSize: 50, onProgress: resolve, ...options.epoch });
  });
  ended.catch(() => {});
  await Promise.race([started, ended.catch(() => {})]);
  return { addon, dataset, model, trainer, ended };
}

const say = (text) => writeSync(1, `${text}\n`);

const scenarios = {
  async exit() {
    await training();
    process.exit(7);
  },
  async exitWithOpenWindow() {
    const powercap = mkdtempSync(join(tmpdir(), 'eb-powercap-'));
    process.on('exit', () => rmSync(powercap, { recursive: true }));
    const domain = join(powercap, 'intel-rapl:0');
    mkdirSync(domain);
    for (const [name, text] of Object.entries({ name: 'package-0', energy_uj: '1', max_energy_range_uj: '9' }))
      writeFileSync(join(domain, name), text);
    const addon = loadAddon({ device: 'cpu' });
    const meter = await addon.createMeter({ device: 'cpu', powercap });
    await meter.begin('open'); // from here on a thread reads the files
    if (meter.sources()[0].method === 'counter') process.exit(7);
  },
  async uncaught() {
    await training();
    setTimeout(() => {
      throw new Error('on purpose');
    }, 10);
  },
  async natural() {
    // Nobody awaits the epoch; the process must still end by itself once it is over.
    const { ended } = await training({ count: 2_000 });
    ended.then(() => say('epoch over'));
  },
  async sigterm() {
    await training();
    say('training');
  },
  async terminate() {
    const worker = new Worker(__filename, { workerData: 'train', argv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    say(`worker exit ${await worker.terminate()}`);
    // The engine must be free again for this thread.
    const { ended } = await training({ count: 500 });
    say(`images ${(await ended).images}`);
  },
  async exitWithQueuedJob() {
    await training();
    const worker = new Worker(__filename, { workerData: 'queue', argv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    process.exit(7); // the worker's job waits behind the epoch and will never begin
  },
  async terminateWithQueuedJob() {
    const { ended } = await training();
    let over = false;
    ended.finally(() => {
      over = true;
    });
    const worker = new Worker(__filename, { workerData: 'queue', argv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    say(`epoch ${over ? 'over' : 'goes on'}`);
    process.exit(7);
  },
  async workerEnds() {
    const worker = new Worker(__filename, { workerData: 'short', argv: [] });
    // Message and end may come in one turn of the loop.
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    say(await new Promise((resolve) => worker.once('message', resolve)));
    say(`worker exit ${await ended}`);
  },
  async callbackThrows() {
    const { ended } = await training({
      epoch: {
        onProgress() {
          throw new Error('listener failed');
        },
      },
    });
    await ended.catch((error) => say(error.message));
  },
};

async function inWorker() {
  if (workerData === 'train') {
    await training();
    parentPort.postMessage('training');
    return;
  }
  if (workerData === 'queue') {
    const spec = { arch: 'vgg', depth: 11, classes: 10, seed: 1, device: 'cpu' };
    loadAddon({ device: 'cpu' })
      .createModel(spec)
      .catch(() => {});
    parentPort.postMessage('queued');
    return;
  }
  const { ended } = await training({ count: 500 });
  parentPort.postMessage(`images ${(await ended).images}`);
}

(isMainThread ? scenarios[process.argv[2]]() : inWorker()).catch((error) => {
  say(error.stack);
  process.exit(99);
});
