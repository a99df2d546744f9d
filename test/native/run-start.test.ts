/** A run starts from an earlier checkpoint, a ticket or initial weights; other files are refused. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint } from '../../src/checkpoint/read';
import { prune } from '../../src/prune/prune';
import { parseRecipe } from '../../src/recipe/recipe';
import { checkpointNetwork } from '../../src/run/checkpoint-network';
import { RunDirectory } from '../../src/run/directory';
import { ebTrain } from '../../src/train/eb-train';
import { retrain } from '../../src/train/retrain';
import { search } from '../../src/train/search';
import { temporaryFolder } from '../cli/tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);
const json = (...names: string[]) => JSON.parse(readFileSync(at(...names), 'utf8'));

const training = {
  dataset: 'synthetic',
  limitTrain: 64,
  limitTest: 32,
  batchSize: 32,
  testBatchSize: 32,
  lr: 0.05,
  schedule: [4],
  sr: true,
  device: 'cpu',
  threads: 1,
  report: false,
};
const narrow = { arch: 'vgg', depth: 11, cfg: [8, 'M', 8, 'M', 16, 16, 'M', 16, 16, 'M', 16, 16] };
/** Emerges at once. */
const eager = { detectorWindow: 2, detectorThreshold: 1 };

const searchRecipe = (more: Record<string, unknown>) =>
  parseRecipe('search', { ...training, ...narrow, ...eager, ratios: [0.3], epochs: 3, ...more });
const retrainRecipe = (more: Record<string, unknown>) =>
  parseRecipe('retrain', { ...training, scratch: at('inherited', 'pruned.pth.tar'), epochs: 3, ...more });
const trainRecipe = (more: Record<string, unknown>) =>
  parseRecipe('train', { ...training, ...narrow, ...eager, percent: 0.3, epochs: 2, save: at('train'), ...more });
const masksOf = async (save: string) => (await RunDirectory.at(save).readMasks(0.3))!;

beforeAll(async () => {
  await search(searchRecipe({ save: at('whole') }));
  const ticket = { model: at('whole', 'EB-30-2.pth.tar'), percent: 0.3, device: 'cpu' };
  await prune(parseRecipe('prune', { ...ticket, save: at('inherited') }));
  await prune(parseRecipe('prune', { ...ticket, save: at('rewound'), init: at('whole', 'init.pth.tar') }));
});

test('a rewound ticket is trained for all epochs, an inherited one for those that are left', async () => {
  const inherited = await retrain(retrainRecipe({ save: at('from-1') }));
  expect(json('from-1', 'params.json').recipe).toMatchObject({ arch: 'vgg', depth: 11 });
  const rewound = await retrain(retrainRecipe({ save: at('from-0'), scratch: at('rewound', 'pruned.pth.tar') }));
  expect([inherited, rewound].map(({ result }) => result.completed)).toEqual([3, 3]);
  const epochs = await Promise.all(['from-1', 'from-0'].map((name) => RunDirectory.at(at(name)).readMetrics()));
  expect(epochs.map((lines) => lines.map(({ epoch }) => epoch))).toEqual([
    [1, 2],
    [0, 1, 2],
  ]);
});

test('retraining names the network of its ticket', async () => {
  const { value } = await readCheckpoint(at('from-1', 'checkpoint.pth.tar'));
  expect(checkpointNetwork(value, 'checkpoint')).toMatchObject({ arch: 'vgg', depth: 11 });
});

test('masks begin where a run began, also after an interruption', async () => {
  const recipe = searchRecipe({ save: at('late'), resume: at('whole', 'ckpt1.pth.tar') });
  await search(recipe);
  const all = (await masksOf(at('whole'))).rows;
  const late = await masksOf(at('late'));
  expect([late.index.first, late.rows]).toEqual([2, all.slice(2)]);

  for (const name of ['late', 'whole']) {
    cpSync(at(name), at('again', name), { recursive: true });
    rmSync(at('again', name, 'result.json'));
  }
  await search({ ...recipe, save: at('again', 'late') });
  await search(searchRecipe({ save: at('again', 'whole') }));
  expect(await masksOf(at('again', 'late'))).toEqual(late);
  expect((await masksOf(at('again', 'whole'))).index.first).toBe(0);
});

test('a checkpoint of another program is gone on from only when it is named', async () => {
  const save = at('foreign');
  mkdirSync(save);
  copyFileSync(at('whole', 'ckpt1.pth.tar'), join(save, 'checkpoint.pth.tar'));
  await expect(search(searchRecipe({ save }))).rejects.toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringMatching(/params\.json.*--resume.*--save.*--force/),
  });
  expect(existsSync(join(save, 'params.json'))).toBe(false);
  cpSync(save, at('forced'), { recursive: true });

  await search(searchRecipe({ save, resume: join(save, 'checkpoint.pth.tar') }));
  expect((await RunDirectory.at(save).readMetrics()).map(({ epoch }) => epoch)).toEqual([2]);
  await search(searchRecipe({ save: at('forced') }), { force: true });
  expect(await RunDirectory.at(at('forced')).readMetrics()).toHaveLength(3);
});

test('a run that would begin at its end is refused, one that was killed there finishes', async () => {
  const refused = (message: RegExp) => ({ code: 'ERR_RECIPE', message: expect.stringMatching(message) });
  const save = at('nothing');
  await expect(search(searchRecipe({ save, startEpoch: 5 }))).rejects.toMatchObject(refused(/epoch 5.*--epochs 3/));
  await expect(search(searchRecipe({ save, resume: at('whole', 'ckpt2.pth.tar') }))).rejects.toMatchObject(
    refused(/epoch 3 \(after .*ckpt2.*--epochs 3/),
  );
  await expect(retrain(retrainRecipe({ save, epochs: 1 }))).rejects.toMatchObject(refused(/epoch 1.*--epochs 1/));
  expect(existsSync(join(save, 'params.json'))).toBe(false);

  cpSync(at('whole'), at('ended'), { recursive: true });
  rmSync(at('ended', 'result.json'));
  const { result, reused } = await search(searchRecipe({ save: at('ended') }));
  expect([reused, result.completed, result.top1Last]).toEqual([false, 3, json('whole', 'result.json').top1Last]);
});

test('train --init self trains for all epochs, says where it came from, and goes on under another path', async () => {
  const { result } = await ebTrain(trainRecipe({ init: 'self' }), { commandLine: 'earlybird train' });
  const { retrain: stage } = result;
  expect(json('train', 'params.json')).toMatchObject({
    commandLine: 'earlybird train',
    seed: 1,
    device: 'cpu',
    earlybird: expect.any(String),
    libtorch: expect.any(String),
    dataset: { name: 'synthetic' },
  });
  expect(await RunDirectory.at(stage.directory).readMetrics()).toHaveLength(2);

  renameSync(at('train'), at('moved'));
  rmSync(at('moved', 'result.json'));
  rmSync(at('moved', 'retrain_3002_0.3', 'result.json'));
  const { result: again } = await ebTrain(trainRecipe({ init: 'self', save: at('moved') }));
  expect(again.retrain.top1Last).toBe(stage.top1Last);
  expect(again.ticket.file).toBe(at('moved', 'search', 'EB-30-2.pth.tar'));
});
