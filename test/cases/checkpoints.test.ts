/** Checkpoints that other tools wrote (checkpoints/, see docs/interoperability.md): read whole, and pruned to the ticket of their plain file. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { inspectFile } from '../../src/checkpoint/inspect';
import { stateDictOf } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import { momentumOf } from '../../src/checkpoint/sgd';
import { isDict, numbersOf, Opaque, type Value } from '../../src/checkpoint/value';
import { inferNetwork } from '../../src/network/infer';
import { prune } from '../../src/prune/prune';
import { parseRecipe } from '../../src/recipe/recipe';
import { completedOf } from '../../src/run/completed';
import type { StateDict, TensorData } from '../../src/tensor';
import { evaluate } from '../../src/train/evaluate';

const file = (name: string) => path.join(__dirname, 'checkpoints', name);
const refusal = (about: RegExp) =>
  expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(about) });

async function weightsOf(name: string, key?: string): Promise<{ state: StateDict; lines: string[] }> {
  const lines: string[] = [];
  const { value } = await readCheckpoint(file(name), { key });
  return { state: stateDictOf(value, name, (line) => lines.push(line)), lines };
}

/** Keys in order, types, shapes and bytes. */
const contentOf = (state: StateDict) =>
  [...state].map(([key, { dtype, shape, data }]) => [key, dtype, shape, Buffer.from(data).toString('base64')]);

const CFG = [4, 'M', 4, 'M', 4, 4, 'M', 4, 4, 'M', 4, 4];

/** File, its plain file, and the words of the log about it. */
const FILES: [string, string, string][] = [
  ['torchvision-model_3.pth', 'weights', 'the weights are those under model'],
  [
    'timm-last.pth.tar',
    'weights',
    'the weights are those under state_dict; others are under state_dict_ema (--key takes them)',
  ],
  ['lightning.ckpt', 'lightning', 'the weights are those under state_dict; the prefix model. is taken off their keys'],
  ['compiled.pth', 'weights', 'the weights are those of the file; the prefix _orig_mod. is taken off their keys'],
  ['ddp.pth.tar', 'weights', 'the weights are those under state_dict; the prefix module. is taken off their keys'],
  [
    'ema.pth',
    'ema',
    'the weights are those of the file; the prefix module. is taken off their keys; n_averaged is not a weight and is left out',
  ],
  ['channels-last.pth', 'weights', ''],
  ['fsdp1-full.pt', 'weights', ''],
  ['fsdp2-full.pt', 'weights', 'the weights are those under model'],
  ['model.safetensors', 'weights', ''],
];

test.each(FILES)('%s has the weights of its plain file', async (name, plain, line) => {
  const { state, lines } = await weightsOf(name);
  const expected = (await weightsOf(`plain/${plain}.pth.tar`)).state;
  // safetensors sorts its keys.
  const order = (a: unknown[], b: unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
  expect(contentOf(state).sort(order)).toEqual(contentOf(expected).sort(order));
  expect(lines).toEqual(line === '' ? [] : [`${name}: ${line}`]);
  expect(inferNetwork(state)).toEqual({ arch: 'vgg', depth: 11, cfg: CFG, classes: 10 });
});

test.each([
  ['torchvision-model_3.pth', 4],
  ['timm-last.pth.tar', 5],
  ['lightning.ckpt', 1],
  ['tools/lightning.ckpt', 0],
  ['fsdp2-full.pt', null],
])('%s was trained for %p epochs', async (name, epochs) => {
  expect(completedOf((await readCheckpoint(file(name))).value, name)).toBe(epochs);
});

test('an epoch is a number of epochs where no tool is known that writes its index', () => {
  const entries = (...more: [string, Value][]) => completedOf(new Map<string, Value>([['epoch', 5], ...more]), 'a.pth');
  expect(entries(['arch', 'resnet18'])).toBe(5);
  expect(entries(['arch', 'resnet18'], ['version', 1])).toBe(5);
  expect(entries(['arch', 'resnet18'], ['version', 2])).toBe(6);
  const parts = ['model', 'optimizer', 'lr_scheduler'].map((key): [string, Value] => [key, new Map()]);
  expect(entries(...parts)).toBe(5);
  expect(entries(...parts, ['args', new Opaque('argparse.Namespace')])).toBe(6);
  const processed = (epochs: number): [string, Value] => [
    'loops',
    new Map([['fit_loop', new Map([['epoch_progress', new Map([['current', new Map([['processed', epochs]])]])]])]]),
  ];
  expect([entries(processed(5)), entries(processed(6))]).toEqual([5, 6]);
});

test('evaluate takes size and normalisation of the file, and names --dataset where that cannot be', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'earlybird-cases-'));
  const { value } = await readCheckpoint(file('plain/weights.pth.tar'));
  const test = async (entries: [string, Value][]) => {
    const resume = path.join(folder, 'own.pth.tar');
    await writeCheckpoint(resume, new Map([...(value as Map<string, Value>), ['earlybird', new Map(entries)]]));
    const lines: string[] = [];
    const recipe = parseRecipe('evaluate', { resume, dataset: 'synthetic', limitTrain: 10, limitTest: 20 });
    return { ...(await evaluate(recipe, { observer: { log: (line) => lines.push(line) } })), lines };
  };
  const asDataset = await test([['image_size', 32]]);
  const entries: [string, Value][] = [
    ['mean', [9, -9, 5]],
    ['std', [0.01, 0.001, 0.02]],
  ];
  const own = await test(entries);
  expect(own.loss).not.toBe(asDataset.loss);
  expect(own.lines.join()).toMatch(/normalised as .*own\.pth\.tar says/);
  const refusalOf = expect.objectContaining({
    code: 'ERR_DATASET',
    message: expect.stringMatching(/64x64.*--dataset/),
  });
  await expect(test([['image_size', 64]])).rejects.toThrow(refusalOf);
  fs.rmSync(folder, { recursive: true });
});

test('--key takes other weights than the usual ones', async () => {
  const { state } = await weightsOf('timm-last.pth.tar', 'state_dict_ema');
  expect(contentOf(state)).toEqual(contentOf((await weightsOf('plain/ema.pth.tar')).state));
  await expect(weightsOf('timm-last.pth.tar', 'nowhere')).rejects.toThrow(
    refusal(/nothing under --key nowhere; it has "/),
  );
  await expect(weightsOf('timm-last.pth.tar', 'optimizer')).rejects.toThrow(refusal(/no dictionary of tensors/));
});

test('the ticket of a foreign file is that of its plain file', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'earlybird-cases-'));
  const ticket = async (name: string, key?: string) => {
    const recipe = {
      model: file(name),
      percent: 0.3,
      measure: false,
      save: path.join(folder, path.basename(name)),
      key,
    };
    await prune(parseRecipe('prune', recipe));
    const { value } = await readCheckpoint(path.join(recipe.save, 'pruned.pth.tar'));
    return { cfg: (value as Map<string, Value>).get('cfg'), weights: contentOf(stateDictOf(value)) };
  };
  const expected = await ticket('plain/weights.pth.tar');
  expect(expected.cfg).not.toEqual(CFG);
  for (const name of [
    'compiled.pth',
    'torchvision-model_3.pth',
    'timm-last.pth.tar',
    'channels-last.pth',
    'model.safetensors',
  ])
    expect(await ticket(name)).toEqual(expected);
  expect(await ticket('timm-last.pth.tar', 'state_dict_ema')).toEqual(await ticket('plain/ema.pth.tar'));
  fs.rmSync(folder, { recursive: true });
});

const LAYOUTS = ['', '-protocol5', '-legacy'];

describe.each(LAYOUTS)('what torch.load(weights_only=True) takes%s', (layout) => {
  const read = async () => (await readCheckpoint(file(`values${layout}.pt`))).value as Map<string, Value>;

  test('plain values', async () => {
    const value = await read();
    expect(value.get('counter')).toEqual(new Map([[3, 1]]));
    expect(Buffer.from(value.get('bytearray') as Uint8Array).toString()).toBe('abc');
    expect(value.get('complex')).toBe('(1-2j)');
    expect(value.get('set')).toEqual([1]);
    expect([...(value.get('keys') as Map<unknown, number>)]).toEqual([
      [0.5, 1],
      ['(0, 1)', 2],
      [null, 3],
      [true, 4],
      ['(1, ("a",))', 5],
    ]);
    const constants = ['uint16', 'float8_e4m3fn', 'complex64', 'bits8', 'float32'].map((name) => `torch.${name}`);
    expect(value.get('dtypes')).toEqual(constants);
    expect([value.get('layout'), value.get('device'), value.get('size')]).toEqual(['torch.strided', 'cuda:1', [1, 2]]);
    expect(value.get('surrogate')).toBe('a\ufffdb');
  });

  test('tensors', async () => {
    const value = await read();
    const numbers = (key: string) => [...numbersOf(value.get(key) as TensorData)];
    expect([numbers('buffer'), numbers('tagged'), numbers('parameter')]).toEqual([
      [1, 1, 1],
      [1, 1],
      [1, 1],
    ]);
    // Their signs are still to be turned in the file.
    expect(numbers('negative')).toEqual([-1, -2, -3]);
    expect(numbers('negative_int')).toEqual([-1, 2, -300, 0]);
    expect([numbers('typed'), numbers('untyped').length]).toEqual([[1, 2, 3], 8]);
  });

  test('tensors whose values are not read have a type and a shape', async () => {
    const { tensors } = await inspectFile(file(`values${layout}.pt`));
    const shown = Object.fromEntries(tensors.map(({ key, dtype, shape, bytes }) => [key, [dtype, shape, bytes]]));
    expect(shown).toMatchObject({
      uint16: ['uint16', [2], 4],
      uint32: ['uint32', [2], 8],
      uint64: ['uint64', [2], 16],
      float8_e4m3fn: ['float8_e4m3fn', [3], 3],
      float8_e5m2: ['float8_e5m2', [3], 3],
      float8_e4m3fnuz: ['float8_e4m3fnuz', [3], 3],
      float8_e5m2fnuz: ['float8_e5m2fnuz', [3], 3],
      float8_e8m0fnu: ['float8_e8m0fnu', [3], 3],
      float4_e2m1fn_x2: ['float4_e2m1fn_x2', [4], 4],
      complex32: ['complex32', [2], 8],
      complex64: ['complex64', [2, 3], 48],
      complex128: ['complex128', [2], 32],
      bits8: ['bits8', [4], 4],
      bits16: ['bits16', [2], 4],
      sparse: ['float32 (sparse_coo)', [2, 3], 0],
      csr: ['float32 (sparse_csr)', [2, 3], 0],
      quantised: ['quint8', [2, 3], 6],
      nested: ['float32 (nested)', [2], 0],
      meta: ['float32', [2, 3], 0],
      expanded: ['float32', [5000, 5000], 0],
    });
  });
});

test.each(LAYOUTS)('objects of a script beside sound weights are named, not read%s', async (layout) => {
  const { value } = await readCheckpoint(file(`objects${layout}.pt`));
  expect([...numbersOf(stateDictOf(value).get('w')!)]).toEqual([0, 1, 2, 3, 4, 5]);
  const dict = value as Map<string, Value>;
  const names = Object.fromEntries(
    [...dict].flatMap(([key, entry]) => (entry instanceof Opaque ? [[key, entry.name]] : [])),
  );
  expect(names).toMatchObject({
    args: 'argparse.Namespace',
    generator: expect.stringContaining('numpy.random'),
    array: expect.stringContaining('numpy'),
    text: 'numpy.generic',
    when: 'datetime.datetime',
    where: 'pathlib.PurePosixPath',
    history: 'collections.defaultdict',
    queue: 'collections.deque',
    thing: '__main__.Thing',
    colour: '__main__.Colour',
    config: '__main__.Config',
    class: 'torch.nn.modules.activation.ReLU',
    module: 'torch.nn.modules.linear.Linear',
    function: 'torch.nn.functional.relu',
    range: expect.stringMatching(/range$/),
    big: 'builtins.int',
    error: expect.stringContaining('ValueError'),
  });
  expect(dict.get('half')).toBe(1.5);
  expect([...(dict.get('by_colour') as Map<string, number>).keys()]).toEqual(['__main__.Colour, not read (#0)']);
  const { values } = await inspectFile(file(`objects${layout}.pt`));
  expect(values).toContainEqual({ key: 'args', value: 'argparse.Namespace, not read' });
});

test('weights of a type that is not read are refused by name and type', async () => {
  await expect(weightsOf('float8-weights.pt')).rejects.toThrow(refusal(/"w" \(float8_e5m2, shape \(2, 3\)\).*float32/));
});

test('a file without checksums is read, one with a wrong checksum is not', async () => {
  expect(contentOf((await weightsOf('nocrc.pth.tar')).state)).toHaveLength(50);
  const bytes = fs.readFileSync(file('compiled.pth'));
  const at = bytes.indexOf('data/0') + 200;
  bytes[at]! ^= 1;
  const damaged = path.join(os.tmpdir(), `earlybird-damaged-${process.pid}.pth`);
  fs.writeFileSync(damaged, bytes);
  await expect(readCheckpoint(damaged)).rejects.toThrow(refusal(/is damaged.*copy it again/));
  fs.rmSync(damaged);
});

test.each([
  ['crc-off.pt', 'w', [0, 1, 2, 3, 4, 5]],
  ['lazy-negative.pt', 'w', [-1, -2, -3]],
  ['legacy-protocol4.pt', 'w', [0, 1, 2, 3, 4, 5]],
  ['buffer.pt', 'b', [1, 1, 1]],
  ['plain-python-values.pt', 'w', [0, 1, 2, 3, 4, 5]],
  ['metadata-null.safetensors', 'a', [1, 1]],
])('%s', async (name, key, expected) => {
  const { value } = await readCheckpoint(file(`D/${name}`));
  const tensor = isDict(value) ? (value.get(key) as TensorData) : undefined;
  expect(tensor?.shape.reduce((a, b) => a * b)).toBe(expected.length);
  if (name !== 'metadata-null.safetensors') expect([...numbersOf(tensor!)]).toEqual(expected);
});

test('the state of a MultiStepLR', async () => {
  const { value } = await readCheckpoint(file('D/multisteplr.pt'));
  const { milestones } = Object.fromEntries((value as Map<string, Map<string, Value>>).get('scheduler')!);
  expect(milestones).toEqual(
    new Map([
      [80, 1],
      [120, 1],
    ]),
  );
  expect((await weightsOf('multistep.pth.tar')).state.size).toBe(50);
});

test.each([
  ['two_groups.pth.tar', /2 groups of parameters \(9 and 17\)/],
  ['adam.pth.tar', /Adam.*not SGD \(its state has step, exp_avg, exp_avg_sq\)/],
])('the optimizer of %s is said as it is', async (name, note) => {
  const { value } = await readCheckpoint(file(name));
  const found = momentumOf(
    value,
    Array.from({ length: 26 }, (_, i) => `p${i}`),
  );
  expect(found).toMatchObject({ momentum: new Map(), note: expect.stringMatching(note) });
});
