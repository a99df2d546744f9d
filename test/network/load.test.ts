import { loadModel } from '../../src/network/load';
import { addon, SMALL_CFG, smallDataset, smallModel, smallTrainer } from '../support/small-handles';

test('weights that are no numbers are refused with their place, before anything is computed with them', async () => {
  using model = await smallModel();
  const state = await model.stateDict();
  const [key, gamma] = [...state].find(([name]) => name.endsWith('running_var'))!;
  const data = Buffer.from(gamma.data);
  data.writeFloatLE(Number.NaN, 4);
  state.set(key, { ...gamma, data });
  const spec = { arch: 'vgg', depth: 11, classes: 10, cfg: SMALL_CFG, seed: 1, device: 'cpu' };
  await expect(loadModel(addon, spec, state, 'ckpt9.pth.tar')).rejects.toMatchObject({
    code: 'ERR_NUMERIC',
    message: `ckpt9.pth.tar holds NaN or infinity in 1 of the ${gamma.shape[0]} values of ${key}: its training diverged, so take an earlier checkpoint.`,
  });
});

test('weights that overflow in the last step of an epoch are met by its test, before they are kept', async () => {
  using model = await smallModel();
  using dataset = await smallDataset(32);
  using trainer = await smallTrainer(model);
  // The loss of the only step is that of the weights before it.
  const { loss } = await trainer.epoch({ dataset, epoch: 0, lr: 1e38, batchSize: 32 });
  expect(loss).toBeGreaterThan(0);
  await expect(model.evaluate({ dataset, batchSize: 32, precision: 'fp32' })).rejects.toMatchObject({
    code: 'ERR_NUMERIC',
    message: expect.stringMatching(/The loss is no longer a finite number/),
  });
});
