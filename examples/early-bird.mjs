// Early-Bird tickets by hand, on the handles of the engine: train dense, watch the mask, stop when it holds still, cut the ticket
// out, train only that. `earlybird train` does this and more (checkpoints, resume, report).
//   node examples/early-bird.mjs [cifar10 FOLDER]
import { EarlyBird, learningRate, loadAddon, openDataset } from 'earlybird-tickets';

const [dataset, data] = process.argv.length > 2 ? process.argv.slice(2) : ['synthetic'];
const [device, seed, ratio, epochs, schedule] = ['cpu', 1, 0.5, 12, [6, 9]];
const images = await openDataset({ dataset, data, limitTrain: 500, limitTest: 200 });
const addon = loadAddon({ device });

const { classes, height, width, mean, std } = images;
const shared = { classes, height, width, mean, std, device, filter: { kind: 'none', sigma: 1 }, threshold: 0 };
const train = await addon.createDataset({ ...shared, ...images.train, padding: 4, flip: true });
const test = await addon.createDataset({ ...shared, ...images.test, padding: 0, flip: false });

/** Trains from an epoch on. Returns the number of completed epochs once `stop` is true after one; nothing at the end. */
async function run(model, from, stop) {
  const options = { momentum: 0.9, weightDecay: 1e-4, l1: 1e-4, precision: 'fp32', seed };
  const trainer = await addon.createTrainer(model, options);
  for (let epoch = from; epoch < epochs; epoch++) {
    const lr = learningRate(epoch, 0.1, schedule);
    const { loss } = await trainer.epoch({ dataset: train, batchSize: 50, epoch, lr });
    const { top1 } = await model.evaluate({ dataset: test, batchSize: 200, precision: 'fp32' });
    console.log(`epoch ${epoch + 1}: loss ${loss.toFixed(3)}, top-1 ${top1.toFixed(1)} %`);
    if (await stop?.()) return epoch + 1;
  }
}

const cfg = [16, 'M', 32, 'M', 32, 32, 'M', 64, 64, 'M', 64, 64];
const dense = await addon.createModel({ arch: 'vgg', depth: 11, classes, cfg, seed, device });
const channels = dense.describe().batchNorms.reduce((sum, layer) => sum + layer.channels, 0);
const detector = new EarlyBird(channels, { window: 3, threshold: 0.1, rule: 'reference' });
let mask;
const drawn = await run(dense, 0, async () => {
  [mask] = await dense.masks([ratio]);
  return detector.push(mask.bits).emerged;
});
if (drawn === undefined) throw new Error(`the mask still moves after ${epochs} epochs: train longer`);
const ticket = await dense.prune({ mask: mask.bits, emptyLayers: 'keep-one' });
console.log(
  `ticket after ${drawn} epochs: ${mask.kept} of ${mask.total} channels, cfg ${ticket.model.describe().cfg.join(' ')}`,
);
await run(ticket.model, drawn);
