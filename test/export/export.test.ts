/** Export of every network and its tickets: graph, files, and onnxruntime's judgement, which a stand-in plays. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { Value } from '../../src/checkpoint/value';
import { differenceOf } from '../../src/export/check';
import { exportCheckpoint } from '../../src/export/export';
import { foldNorms } from '../../src/export/fold';
import { floatsOf, floatTensor, type Graph, graphOf, type Operation } from '../../src/export/graph';
import { ONNX } from '../../src/export/onnx-schema';
import { loadRuntime, requireRuntime } from '../../src/export/runtime';
import { parseRecipe } from '../../src/recipe/recipe';
import { modelInfo, networkEntries } from '../../src/run/checkpoint-network';
import { temporaryFolder } from '../cli/tiny';
import { addon, smallModel } from '../support/small-handles';

/** Logits that the stand-in returns. */
const runtime = { logits: (_batch: number): number[] => [] };
jest.mock(
  'onnxruntime-node',
  () => ({
    InferenceSession: {
      create: async () => ({
        run: async ({ images }: { images: { dims: number[] } }) => {
          const batch = images.dims[0]!;
          return { logits: { data: Float32Array.from(runtime.logits(batch)), dims: [batch, 10] } };
        },
        release: async () => {},
      }),
    },
    Tensor: class {
      constructor(
        readonly type: string,
        readonly data: Float32Array,
        readonly dims: number[],
      ) {}
    },
  }),
  { virtual: true },
);
jest.mock('onnxruntime-node/package.json', () => ({ version: '1.0.0' }), { virtual: true });

const folder = temporaryFolder();
afterAll(() => folder.remove());
const checkpoint = join(folder.path, 'net.pth.tar');

beforeAll(async () => {
  using model = await smallModel();
  const state = new Map(await model.stateDict());
  // The logits are the bias of the last layer, which has no weights.
  state.set('classifier.weight', floatTensor(new Float32Array(100), [10, 10]));
  state.set(
    'classifier.bias',
    floatTensor(
      Float32Array.from({ length: 10 }, (_, i) => i),
      [10],
    ),
  );
  const entries: [string, Value][] = [
    ['state_dict', stateDictValue(state)],
    ['earlybird', new Map(networkEntries(modelInfo(model.describe(), undefined)))],
  ];
  await writeCheckpoint(checkpoint, new Map(entries));
});

const right = (batch: number) => Array.from({ length: 10 * batch }, (_, i) => i % 10);
const exported = (options: object) => exportCheckpoint(parseRecipe('export', { checkpoint, ...options }));
const refusal = (code: string, about: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(about) });

const opsOf = ({ operations }: Graph) => operations.map(({ op }) => op);

test.each([
  ['vgg', 11, 32],
  ['resnet', 20, 32],
  ['resnet18', 18, 64],
  ['resnet34', 34, 64],
  ['resnet50_official', 50, 64],
])('%s-%i is a graph of its layers', async (arch, depth, imageSize) => {
  using model = await addon.createModel({ arch, depth, classes: 10, seed: 1, device: 'cpu', imageSize });
  const { layers, nodes } = model.describe();
  const state = await model.stateDict();
  const graph = graphOf({ nodes }, state);
  const names = graph.operations.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  // Each operation reads results before it, and all but the last are read.
  for (const [i, { inputs }] of graph.operations.entries())
    for (const input of inputs) expect(['images', ...names.slice(0, i)]).toContain(input);
  const read = new Set(graph.operations.flatMap(({ inputs }) => inputs));
  expect(names.filter((name) => !read.has(name))).toEqual(['vgg' === arch ? 'classifier' : 'fc']);
  // The layers that count for FLOPs are those of the graph, and all weights are used.
  const counted = ['conv', 'batchnorm', 'linear', 'relu', 'maxpool'];
  const keysOf = (list: { key: string }[]) => list.map(({ key }) => key).sort();
  expect(keysOf(graph.operations.filter(({ op }) => counted.includes(op)))).toEqual(
    keysOf(layers.filter(({ kind }) => kind !== 'avgpool')),
  );
  expect([...graph.tensors.keys()].sort()).toEqual([...state.keys()].filter((key) => !key.endsWith('indexes')).sort());
});

test('a selection that leaves channels out is part of the graph, and repeated names are numbered', async () => {
  using dense = await addon.createModel({ arch: 'resnet', depth: 11, classes: 10, seed: 1, device: 'cpu' });
  const cfg = [...(dense.describe().cfg as number[])];
  cfg[0] = 5;
  using model = await addon.createModel({ arch: 'resnet', depth: 11, cfg, classes: 10, seed: 1, device: 'cpu' });
  const graph = graphOf(model.describe(), await model.stateDict());
  expect(graph.operations.filter(({ op }) => op === 'select').map(({ key }) => key)).toEqual(['layer1.0.select']);
  expect(graph.operations.slice(0, 9).map(({ name }) => name)).toEqual(
    'conv1 layer1.0.bn1 layer1.0.select layer1.0.relu layer1.0.conv1 layer1.0.bn2 layer1.0.relu_1 layer1.0.conv2 layer1.0.bn3'.split(
      ' ',
    ),
  );
});

describe('folding', () => {
  const value = (x: number, y: number) => Math.sin(3 * x + y);
  const tensor = (key: number, count: number, shape: number[]) =>
    floatTensor(
      Float32Array.from({ length: count }, (_, i) => value(i, key)),
      shape,
    );
  const conv: Operation = {
    op: 'conv',
    key: 'c',
    name: 'c',
    inputs: ['images'],
    kernel: 1,
    stride: 1,
    padding: 0,
    groups: 1,
  };
  const norm: Operation = { op: 'batchnorm', key: 'n', name: 'n', inputs: ['c'], eps: 0.1 };
  const tensors = new Map([
    ['c.weight', tensor(1, 6, [2, 3, 1, 1])],
    ['c.bias', tensor(2, 2, [2])],
    ['n.weight', tensor(3, 2, [2])],
    ['n.bias', tensor(4, 2, [2])],
    ['n.running_mean', tensor(5, 2, [2])],
    ['n.running_var', floatTensor(Float32Array.of(0.5, 2), [2])],
  ]);
  const at = (key: string, i: number, of = tensors) => floatsOf(of.get(key)!)[i]!;
  const product = (of: typeof tensors, channel: number, pixel: number[]) =>
    pixel.reduce((sum, x, i) => sum + x * at('c.weight', 3 * channel + i, of), at('c.bias', channel, of));

  test('keeps the function', () => {
    const folded = foldNorms({ operations: [conv, norm, { op: 'relu', key: 'r', name: 'r', inputs: ['n'] }], tensors });
    expect([opsOf(folded), folded.folded, folded.operations[1]!.inputs]).toEqual([['conv', 'relu'], 1, ['c']]);
    expect([...folded.tensors.keys()]).toEqual(['c.weight', 'c.bias']);
    for (const channel of [0, 1]) {
      const pixel = [0.3, -1.2, 2];
      const centred = product(tensors, channel, pixel) - at('n.running_mean', channel);
      const expected =
        (centred * at('n.weight', channel)) / Math.sqrt(at('n.running_var', channel) + 0.1) + at('n.bias', channel);
      expect(product(folded.tensors as typeof tensors, channel, pixel)).toBeCloseTo(expected, 5);
    }
  });

  test('leaves a convolution that something else reads as well', () => {
    const add: Operation = { op: 'add', key: 'a', name: 'a', inputs: ['n', 'c'] };
    const graph = { operations: [conv, norm, add], tensors };
    expect(foldNorms(graph)).toEqual({ ...graph, folded: 0 });
  });
});

test('an ONNX file has names of PyTorch, an open batch and opset 17', async () => {
  runtime.logits = right;
  const { files, opset, compared, folded } = await exported({ foldBn: true });
  expect([files, opset, compared, folded]).toEqual([
    [join(folder.path, 'net.onnx')],
    17,
    { runtime: '1.0.0', images: 4, difference: 0 },
    5,
  ]);
  const type = protobuf.Root.fromJSON(ONNX).lookupType('ModelProto');
  const model = type.toObject(type.decode(readFileSync(files[0]!)), { longs: Number }) as {
    opsetImport: { version: number }[];
    graph: {
      node: { name: string; opType: string; output: string[] }[];
      input: object[];
      initializer: { name: string }[];
    };
  };
  expect(model.opsetImport[0]!.version).toBe(17);
  expect(model.graph.node.map(({ name, opType }) => `${name} ${opType}`).slice(0, 4)).toEqual([
    'feature.0 Conv',
    'feature.2 Relu',
    'feature.3 MaxPool',
    'feature.4 Conv',
  ]);
  expect(model.graph.node.at(-1)).toMatchObject({ name: 'classifier', opType: 'Gemm', output: ['logits'] });
  expect(model.graph.initializer.map(({ name }) => name)).toContain('feature.0.bias');
  const dim = [{ dimParam: 'batch' }, { dimValue: 3 }, { dimValue: 32 }, { dimValue: 32 }];
  expect(model.graph.input).toEqual([{ name: 'images', type: { tensorType: { elemType: 1, shape: { dim } } } }]);
});

test('nothing is written where the logits differ', async () => {
  runtime.logits = (batch) => right(batch).map((logit) => logit + 2e-4);
  const out = join(folder.path, 'wrong.onnx');
  await expect(exported({ out })).rejects.toThrow(refusal('ERR_NUMERIC', /differ by 2\.\de-5 .* nothing was written/));
  expect(existsSync(out)).toBe(false);
  expect(differenceOf(floatTensor(Float32Array.of(1), [1]), floatTensor(Float32Array.of(Number.NaN), [1]))).toBe(
    Number.POSITIVE_INFINITY,
  );
});

test.each([
  [{ code: 'MODULE_NOT_FOUND' }, /is not installed \(npm install onnxruntime-node\)/],
  [{ code: 'ERR_DLOPEN_FAILED' }, /cannot be loaded: GLIBC is old/],
])('an onnxruntime-node that cannot be used is named: %j', (fields, about) => {
  const missing = loadRuntime(() => {
    throw Object.assign(new Error('GLIBC is old\nRequire stack:'), fields);
  });
  expect(missing).toMatch(about);
  expect(() => requireRuntime(missing)).toThrow(refusal('ERR_USAGE', about));
});

test('--measure times the dense network beside this one', async () => {
  runtime.logits = right;
  const { speed } = await exported({ measure: true, batchSize: 2, rounds: 3 });
  expect(speed).toMatchObject({ runtime: '1.0.0', batchSize: 2 });
  expect(speed!.ratio).toBeCloseTo(speed!.network.median / speed!.dense!.median, 10);
  expect(speed!.denseFlops).toBeGreaterThan(0);
});

test('a safetensors file can be read back', async () => {
  const { files } = await exported({ format: 'safetensors' });
  const [own, back] = await Promise.all(
    [checkpoint, files[0]!].map(async (file) => stateDictOf((await readCheckpoint(file)).value)),
  );
  expect([...back!].map(([key, { shape }]) => [key, shape]).sort()).toEqual(
    [...own!].map(([key, { shape }]) => [key, shape]).sort(),
  );
});

test('a PyTorch file has its model.py, which replaces only one of its own', async () => {
  const place = join(folder.path, 'torch');
  const out = join(place, 'weights.pth');
  await exported({ format: 'state-dict', out });
  await exported({ format: 'state-dict', out });
  expect(readdirSync(place).sort()).toEqual(['model.py', 'weights.pth']);
  expect(readFileSync(join(place, 'model.py'), 'utf8')).toContain('with_name("weights.pth")');
  writeFileSync(join(place, 'model.py'), 'import torch\n');
  await expect(exported({ format: 'state-dict', out })).rejects.toThrow(
    refusal('ERR_USAGE', /model\.py was not made by/),
  );
  await expect(exported({ out: checkpoint })).rejects.toThrow(refusal('ERR_USAGE', /is the checkpoint itself/));
});
