/** The calls of a run to the engine for ImageNet; the engine itself is made up here. */
import { rmSync } from 'node:fs';
import * as os from 'node:os';
import { openSession, openTestSession } from '../../src/engine/session';
import type { StreamSpec } from '../../src/native/types/dataset';
import { fillTree, makeTree, type Tree } from '../support/image-tree';

const specs: StreamSpec[] = [];
let disposed = 0;
let jpeg = 'some';
let creating: (spec: StreamSpec) => void = () => undefined;
jest.mock('../../src/native/addon', () => ({
  loadAddon: () => ({
    loaded: '0.0.0',
    setThreads: () => undefined,
    teamSize: (threads: number) => threads,
    setKernels: () => undefined,
    runtime: () => ({
      threads: 1,
      cpuCapability: 'none',
      bf16: false,
      cudaDevices: [{ index: 4, name: 'Four' }],
      jpeg,
    }),
    createStream: async (spec: StreamSpec) => {
      specs.push(spec);
      creating(spec);
      return { count: spec.labels.length, [Symbol.dispose]: () => disposed++ };
    },
  }),
}));

let tree: Tree;
beforeEach(async () => {
  specs.length = 0;
  disposed = 0;
  jpeg = 'some';
  creating = () => undefined;
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
  energy: 'off' as const,
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
  session[Symbol.dispose]();
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
    '--gpu_ids 4,5,6,7: cuda:4 computes',
    'imagenet: 6 training images, 2 test images, 2 classes, in class folders',
    'warning: 1 training image does not decode and was left out: train/n2/n2_1.JPEG (cut)',
  ]);
});

test('where the second stream fails or comes too late, the first is let go', async () => {
  creating = ({ transform }) => {
    if (transform === 'train') throw new Error('no room');
  };
  await expect(openSession(wish())).rejects.toThrow('no room');
  expect([specs.length, disposed]).toEqual([2, 1]);
  for (const transform of ['evaluate', 'train']) {
    [specs.length, disposed] = [0, 0];
    const controller = new AbortController();
    creating = (spec) => spec.transform === transform && controller.abort(new Error('enough'));
    await expect(openSession(wish(), { signal: controller.signal })).rejects.toThrow('enough');
    expect(disposed).toBe(specs.length);
  }
});

test('a decoder that is not there is said before anything is listed', async () => {
  jpeg = '';
  await expect(openSession(wish({ data: tree.at('nowhere') }))).rejects.toMatchObject({
    code: 'ERR_NOT_BUILT',
    message: expect.stringMatching(
      /^JPEG files cannot be read, because libjpeg-turbo was not found when earlybird was built: .*\.$/,
    ),
  });
});
