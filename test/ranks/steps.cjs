// The first training steps of a network, as one process or as one of several ranks with shared statistics. Prints the loss of each.
const { loadAddon } = require('../../dist/native/addon');

const BATCH = 16;
const LR = 0.0005;

/** Images whose colour says the class, under noise: the same in every process. */
function images(count, side) {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const pixels = new Uint8Array(count * side * side * 3);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  for (let i = 0, at = 0; i < count; i++)
    for (let pixel = 0; pixel < side * side; pixel++)
      for (let colour = 0; colour < 3; colour++, at++)
        pixels[at] = 60 + 12 * ((labels[i] * (colour + 1)) % 10) + 40 * random();
  return { images: pixels, labels, height: side, width: side };
}

async function main() {
  const [arch, ...numbers] = process.argv.slice(2);
  const [depth, side, count, rank, size, port] = numbers.map(Number);
  const addon = loadAddon({ device: 'cpu' });
  addon.setThreads(1);
  addon.setKernels({ mode: 'rule', known: {} });
  const ranks =
    size > 1
      ? await addon.joinRanks({
          ...{ rank, size, host: '127.0.0.1', port, serves: rank === 0, prefix: 'steps', timeoutMs: 60_000 },
          ...{ name: 'here', address: '127.0.0.1', device: 'cpu' },
        })
      : undefined;
  const model = await addon.createModel({
    ...{ arch, depth, classes: 10, seed: 1, device: 'cpu', imageSize: side, ranks, syncNorms: true },
  });
  const trainer = await addon.createTrainer(model, {
    ...{ momentum: 0.9, weightDecay: 1e-4, l1: 1e-4, precision: 'fp32', seed: 1 },
  });
  const dataset = await addon.createDataset({
    ...images(count * BATCH, side),
    ...{ classes: 10, device: 'cpu', mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], padding: 4, flip: true },
    ...{ filter: { kind: 'none', sigma: 0 }, threshold: 0, rank, worldSize: size },
  });
  const losses = [];
  let from;
  for (let sum = 0; losses.length < count; ) {
    const { lossBatchMean, steps } = await trainer.epoch({
      dataset,
      epoch: 0,
      lr: LR,
      batchSize: BATCH,
      steps: 1,
      from,
    });
    losses.push(lossBatchMean * steps - sum);
    sum = lossBatchMean * steps;
    from = await trainer.position();
  }
  console.log(JSON.stringify(losses));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
