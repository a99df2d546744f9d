/** What a run asks of the engine for ImageNet; the engine itself is made up here. */
import { rmSync } from 'node:fs';
import * as os from 'node:os';
import { openSession, openTestSession } from '../../src/experiment/session';
import type { StreamSpec } from '../../src/native/types';
import { fillTree, makeTree, type Tree } from './data-tree';

const specs: StreamSpec[] = [];
let disposed = 0;
jest.mock('../../src/native/addon', () => ({
  loadAddon: () => ({
    loaded: '0.0.0',
    setThreads: () => undefined,
    runtime: () => ({ threads: 1, cpuCapability: 'none', bf16: false, cudaDevices: [{ index: 4, name: 'Four' }] }),
    createStream: async (spec: StreamSpec) => {
      specs.push(spec);
      return { count: spec.labels.length, dispose: () => disposed++ };
    },
  }),
}));

let tree: Tree;
beforeEach(async () => {
  specs.length = 0;
  disposed = 0;
  tree = makeTree();
  await fillTree(tree, ['n1', 'n2'], 3);
});
afterEach(() => tree.remove());

const wish = (more: object = {}) => ({
  dataset: 'imagenet',
  data: tree.root,
  device: 'cpu',
  noCuda: false,
  filter: 'none' as const,
  sigma: 1,
  sparsityGt: 0,
  maxBad: 7,
  ...more,
});

test('a stream each for training and test', async () => {
  const session = await openSession(wish());
  const [test, train] = [...specs].sort((a, b) => a.labels.length - b.labels.length);
  const common = { classes: 2, size: 224, resize: 256, maxBad: 7, device: 'cpu', rank: 0, worldSize: 1 };
  expect(train).toMatchObject({ ...common, transform: 'train', workers: os.availableParallelism() });
  expect(test).toMatchObject({ ...common, transform: 'evaluate', mean: [0.485, 0.456, 0.406] });
  expect([...train!.labels]).toEqual([0, 0, 0, 1, 1, 1]);
  expect(session.dataset).toMatchObject({ name: 'imagenet', train: { count: 6 }, test: { count: 2 }, height: 224 });
  session.dispose();
  expect(disposed).toBe(2);
});

test('another size, fewer images and workers', async () => {
  await openSession(wish({ imageSize: 64, limitTrain: 2, limitTest: 1, workers: 3 }));
  expect(specs.map(({ size, resize, workers, labels }) => [size, resize, workers, labels.length]).sort()).toEqual([
    [64, 73, 3, 1],
    [64, 73, 3, 2],
  ]);
});

test('evaluation needs no training images', async () => {
  rmSync(tree.at('train'), { recursive: true });
  const session = await openTestSession(wish());
  expect([specs.length, session.dataset.test.count, session.dataset.classes]).toEqual([1, 2, 2]);
  await expect(openSession(wish())).rejects.toMatchObject({ code: 'ERR_DATASET' });
});

test('bad images are one line with names, and a list of GPUs is answered', async () => {
  const lines: string[] = [];
  const observer = { log: (line: string) => lines.push(line) };
  const { reportBad } = await openSession(wish({ device: 'auto', gpuIds: '4,5,6,7' }), { observer });
  expect(specs[0]!.device).toBe('cuda:4');
  reportBad('train', []);
  reportBad('test', undefined);
  reportBad('train', [{ index: 4, reason: 'cut' }]);
  expect(lines).toEqual([
    '--gpu_ids 4,5,6,7: only cuda:4 computes, training on several GPUs comes later',
    'imagenet: 6 training images, 2 test images, 2 classes',
    'warning: 1 training image does not decode and was left out: train/n2/n2_1.JPEG (cut)',
  ]);
});
