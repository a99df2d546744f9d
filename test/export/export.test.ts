/** Export of every network and its tickets: graph, files, and onnxruntime's judgement, which a stand-in plays. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import { readSafetensors } from '../../src/checkpoint/safetensors';
import type { Value } from '../../src/checkpoint/value';
import { differenceOf } from '../../src/export/check';
import { exportCheckpoint } from '../../src/export/export';
import { foldNorms } from '../../src/export/fold';
import { floatsOf, floatTensor, type Graph, graphOf, type Operation } from '../../src/export/graph';
import { modelPy } from '../../src/export/model-py';
import { onnxBytes } from '../../src/export/onnx';
import { ONNX } from '../../src/export/onnx-schema';
import { loadRuntime, requireRuntime } from '../../src/export/runtime';
import { archName } from '../../src/network/names';
import { parseNetwork } from '../../src/network/schema';
import { EIGHT_BITS, formatsOf } from '../../src/recipe/precision';
import { parseRecipe } from '../../src/recipe/recipe';
import { weightsValue } from '../../src/run/checkpoint';
import { modelInfo, type Normalisation, networkEntries, networkFor } from '../../src/run/checkpoint-network';
import { completedOf } from '../../src/run/completed';
import type { StateDict } from '../../src/tensor';
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
    for (const input of inputs) expect(['image', ...names.slice(0, i)]).toContain(input);
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
    inputs: ['image'],
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

test('logits below 1 are compared by their own difference', () => {
  const logits = (...values: number[]) => floatTensor(Float32Array.from(values), [values.length]);
  expect(differenceOf(logits(0, 0), logits(0, 0))).toBe(0);
  expect(differenceOf(logits(0, 0), logits(2 ** -20, 0))).toBe(2 ** -20);
  expect(differenceOf(logits(0.5, 0), logits(0.5, 2 ** -20))).toBe(2 ** -20);
  expect(differenceOf(logits(4, 0), logits(4, 2 ** -20))).toBe(2 ** -22);
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

const own = parseNetwork(
  {
    name: 'own',
    imageSize: 8,
    layers: [
      { name: 'net.0', kind: 'conv', out: 4, kernel: 3, padding: 1 },
      { name: 'net.1', kind: 'batchnorm' },
      { name: 'net.2', kind: 'relu' },
      { name: 'net.3', kind: 'avgpool' },
      { name: 'net.4', kind: 'linear', out: 'classes' },
    ],
  },
  'own.json',
);
const OWN = { arch: own, depth: 2, classes: 10, seed: 1, device: 'cpu' };

/** Keys, types, shapes and bytes, sorted. */
const contentOf = (state: StateDict) =>
  [...state].map(([key, { dtype, shape, data }]) => [key, dtype, shape, Buffer.from(data).toString('base64')]).sort();

test.each([
  ['a built-in network', smallModel],
  ['a network that is data', () => addon.createModel(OWN)],
])('a safetensors file of %s has all that its checkpoint says', async (_name, create) => {
  using model = await create();
  const normalisation: Normalisation = { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] };
  const formats = formatsOf(EIGHT_BITS)!;
  const info = modelInfo(model.describe(), formats, normalisation);
  const source = join(folder.path, 'source.pth.tar');
  const entries: [string, Value][] = [
    ['state_dict', weightsValue(await model.stateDict(), info)],
    ['earlybird', new Map<string, Value>([...networkEntries(info), ['completed', 7]])],
  ];
  await writeCheckpoint(source, new Map(entries));
  const lines: string[] = [];
  const recipe = parseRecipe('export', { checkpoint: source, format: 'safetensors' });
  const { files } = await exportCheckpoint(recipe, { observer: { log: (line) => lines.push(line) } });
  expect(lines.join()).toMatch(/of low precision: its weights are exported as it holds them/);

  const [before, after] = await Promise.all(
    [source, files[0]!].map(async (file) => {
      const { value } = await readCheckpoint(file);
      const network = networkFor({}, value, file);
      return { weights: contentOf(stateDictOf(value, file)), network, completed: completedOf(value, file) };
    }),
  );
  expect(after).toEqual(before);
  const { arch, depth, cfg, imageSize } = info;
  const { nonFinite, ...stored } = formats;
  expect(after!.network).toEqual({ arch, depth, cfg, classes: 10, imageSize, normalisation, formats: stored });
  expect([nonFinite, after!.completed]).toEqual(['error', 7]);
  // What other programs read without this entry.
  const { earlybird, ...others } = Object.fromEntries((await readSafetensors(files[0]!)).metadata);
  expect(others).toEqual({
    ...{ format: 'pt', arch: archName(arch), depth: String(depth), classes: '10', cfg: JSON.stringify(cfg) },
    ...{ image_size: String(imageSize), mean: '[0.1,0.2,0.3]', std: '[1,2,3]' },
  });
});

test('layers keep their names where input, output and flattening have the same', async () => {
  const arch = parseNetwork(
    {
      name: 'clash',
      imageSize: 8,
      layers: [
        { name: 'images', kind: 'conv', out: 3, kernel: 3, padding: 1 },
        { name: 'logits', kind: 'add', inputs: ['images', 'image'] },
        { name: 'pool', kind: 'avgpool' },
        { name: 'flatten', kind: 'linear', out: 'classes' },
      ],
    },
    'clash.json',
  );
  using model = await addon.createModel({ ...OWN, arch });
  const graph = graphOf(model.describe(), await model.stateDict());
  const options = { input: [3, 8, 8], classes: 10, name: 'clash', version: '1', metadata: {} } as const;
  const type = protobuf.Root.fromJSON(ONNX).lookupType('ModelProto');
  const { node } = (
    type.toObject(type.decode(await onnxBytes(graph, options))) as {
      graph: { node: { name: string; input: string[]; output: string[] }[] };
    }
  ).graph;
  expect(node.map(({ name, input, output }) => [name, input, output])).toEqual([
    ['images', ['images', 'images.weight'], ['images_1']],
    ['logits', ['images', 'images_1'], ['logits_1']],
    ['pool', ['logits_1'], ['pool']],
    ['flatten_1', ['pool'], ['flatten_1']],
    ['flatten', ['flatten_1', 'flatten.weight', 'flatten.bias'], ['logits']],
  ]);
  const code = modelPy(graph, { title: '', weights: 'w.pth', input: options.input, normalisation: undefined });
  expect(code).toContain('results = {"image": images}');
  expect(code.match(/^ {8}\(".*,$/gm)!.map((row) => row.trim())).toEqual([
    '("images", nn.Conv2d(3, 3, 3, padding=1, bias=False), "image"),',
    '("logits", Add(), "image", "images"),',
    '("pool", nn.AvgPool2d(8, stride=8), "logits"),',
    '("flatten_1", nn.Flatten(), "pool"),',
    '("flatten", nn.Linear(3, 10), "flatten_1"),',
  ]);
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
