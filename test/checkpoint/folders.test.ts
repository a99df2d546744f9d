/** Checkpoints in several files, as scripts/golden/checkpoints/make.py made them with the real tools, and the same with damage. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { inspectFile } from '../../src/checkpoint/inspect';
import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { momentumOf } from '../../src/checkpoint/sgd';
import { type Dict, numbersOf, UnreadTensor, type Value } from '../../src/checkpoint/value';
import { inferNetwork } from '../../src/network/infer';
import type { StateDict, TensorData } from '../../src/tensor';
import { temporaryFolder } from '../cli/tiny';
import { torchProgram } from '../support/peers';

const TOOLS = path.join(__dirname, '..', 'cases', 'checkpoints', 'tools');
const tool = (name: string) => path.join(TOOLS, name);
const folder = temporaryFolder();
afterAll(() => folder.remove());

const refusal = (about: RegExp, code = 'ERR_CHECKPOINT') =>
  expect.objectContaining({ code, message: expect.stringMatching(about) });

async function weightsOf(name: string, key?: string): Promise<{ state: StateDict; lines: string[] }> {
  const lines: string[] = [];
  const { value } = await readCheckpoint(tool(name), { key });
  return { state: stateDictOf(value, name, (line) => lines.push(line)), lines };
}

const contentOf = (state: Iterable<[unknown, Value | undefined]>) =>
  [...state]
    .map(([key, tensor]) => {
      const { dtype, shape, data } = tensor as TensorData;
      return [String(key), dtype, shape.join(), Buffer.from(data).toString('base64')];
    })
    .sort(([a], [b]) => (a! < b! ? -1 : 1));

/** A copy of a folder that a test may damage. */
function copyOf(name: string): string {
  const copy = fs.mkdtempSync(path.join(folder.path, 'copy-'));
  fs.cpSync(tool(name), copy, { recursive: true });
  return copy;
}

/** Replaces text in a file, wherever it occurs, by as many bytes. */
function patch(file: string, from: string, to: string): void {
  const text = fs.readFileSync(file, 'latin1');
  expect(text.includes(from) && to.length === from.length).toBe(true);
  fs.writeFileSync(file, text.replaceAll(from, to), 'latin1');
}

const PREFIX = 'the prefix student. is taken off their keys; seen is not a weight and is left out';
test.each([
  ['fsdp', 'the weights are those under app.model'],
  ['fsdp/.metadata', 'the weights are those under app.model'],
  ['fsdp/__1_0.distcp', 'the weights are those under app.model'],
  ['shards', ''],
  ['shards/model.safetensors.index.json', ''],
  ['bins', ''],
  ['lightning.ckpt', `the weights are those under state_dict; ${PREFIX}`],
])('%s has the weights of the plain file', async (name, line) => {
  const { state, lines } = await weightsOf(name);
  expect(contentOf(state)).toEqual(contentOf((await weightsOf('plain.pth.tar')).state));
  expect(lines).toEqual(line === '' ? [] : [`${name}: ${line}`]);
  const cfg = [3, 'M', 4, 'M', 3, 4, 'M', 4, 3, 'M', 4, 3];
  expect(inferNetwork(state)).toEqual({ arch: 'vgg', depth: 11, cfg, classes: 5 });
});

test('what --key names may be the start of keys', async () => {
  const { state } = await weightsOf('lightning.ckpt', 'state_dict.student');
  expect(contentOf(state)).toEqual(contentOf((await weightsOf('plain.pth.tar')).state));
  await expect(weightsOf('lightning.ckpt', 'state_dict.teacher')).rejects.toThrow(refusal(/nothing under --key/));
});

test('momentum of a distributed checkpoint is found by the names of parameters', async () => {
  const { value } = await readCheckpoint(tool('fsdp'));
  const app = (value as Dict).get('app') as Dict;
  const { momentum, lr } = momentumOf(app, ['feature.0.weight', 'classifier.weight', 'classifier.bias']);
  expect([...momentum.keys()]).toEqual(['classifier.weight', 'classifier.bias']);
  expect([momentum.get('classifier.weight')!.shape, lr, app.get('epoch')]).toEqual([[5, 3], 0.1, 3]);
});

test('tensors in blocks are put together, and other values lie where they were', async () => {
  const value = (await readCheckpoint(tool('blocks'))).value as Dict;
  const whole = (await readCheckpoint(tool('blocks.pt'))).value as Dict;
  expect(contentOf(value.get('tensors') as Dict as Map<string, Value>)).toEqual(contentOf(whole as Map<string, Value>));
  expect((value.get('empty') as TensorData).shape).toEqual([0, 3]);
  expect([...numbersOf(value.get('scalar') as TensorData)]).toEqual([2.5]);
  expect(value.get('complex')).toBeInstanceOf(UnreadTensor);
  const [one, { x }, text] = (value.get('list') as Value[]).map((item) =>
    item instanceof Map ? Object.fromEntries(item) : item,
  ) as [number, { x: TensorData }, string];
  expect([one, [...numbersOf(x)], text, value.get('none')]).toEqual([1, [1, 1], 'text', null]);
});

test('inspect shows a folder with its format and the bytes of all files', async () => {
  const { format, bytes, tensors, values } = await inspectFile(tool('blocks'));
  const size = fs.readdirSync(tool('blocks')).reduce((sum, name) => sum + fs.statSync(tool(`blocks/${name}`)).size, 0);
  expect([format, bytes]).toEqual(['distributed', size]);
  expect(tensors).toContainEqual({ key: 'tensors.rows', dtype: 'float32', shape: [5, 3], bytes: 60 });
  expect(values).toContainEqual({ key: 'list.2', value: 'text' });
  expect((await inspectFile(tool('shards'))).format).toBe('sharded');
});

describe('a damaged distributed checkpoint', () => {
  test.each<[string, (copy: string) => void, RegExp, string?]>([
    ['without a file', (copy) => fs.rmSync(path.join(copy, '__1_0.distcp')), /__1_0\.distcp.*no such file/, 'ERR_FILE'],
    ['without .metadata', (copy) => fs.rmSync(path.join(copy, '.metadata')), /its saving did not end/, 'ERR_FILE'],
    [
      'cut off',
      (copy) => fs.truncateSync(path.join(copy, '__1_0.distcp'), 3000),
      /of .* cannot be read: __1_0\.distcp ends before it/,
    ],
    [
      'with .metadata cut off',
      (copy) => fs.truncateSync(path.join(copy, '.metadata'), 900),
      /\.metadata cannot be read: its pickle/,
    ],
    [
      'that names a file elsewhere',
      (copy) => patch(path.join(copy, '.metadata'), '__0_0.distcp', '/etc/hostname'.slice(0, 12)),
      /into a file that is not beside it/,
    ],
    [
      'whose pieces overlap',
      // The second piece of "rows" begins at row 2 instead of 3.
      (copy) => patch(path.join(copy, '.metadata'), 'K\x03K\x00\x86', 'K\x02K\x00\x86'),
      /"tensors.rows" of .* cannot be read: two of its pieces overlap/,
    ],
    [
      'that promises more than it has',
      (copy) => patch(path.join(copy, '.metadata'), 'K\x05K\x03\x86', 'K\xffK\x03\x86'),
      /"tensors.rows" of .* cannot be read: pieces of it are missing/,
    ],
    [
      'that names what no checkpoint needs',
      (copy) => patch(path.join(copy, '.metadata'), 'pathlib', 'marshal'),
      /"marshal.PosixPath".*nothing was run/,
    ],
  ])('%s is refused', async (...[, damage, about, code]) => {
    const copy = copyOf('blocks');
    damage(copy);
    await expect(readCheckpoint(copy)).rejects.toThrow(refusal(about, code));
  });
});

describe('a damaged index', () => {
  const change = (to: (index: { weight_map: Record<string, unknown> }) => unknown) => (copy: string) => {
    const file = path.join(copy, 'model.safetensors.index.json');
    fs.writeFileSync(file, JSON.stringify(to(JSON.parse(fs.readFileSync(file, 'utf8')))));
  };
  const first = 'model-00001-of-00003.safetensors';
  test.each<[string, (copy: string) => void, RegExp, string?]>([
    ['without a shard', (copy) => fs.rmSync(path.join(copy, first)), /00001-of-00003.*no such file/, 'ERR_FILE'],
    ['with a shard cut off', (copy) => fs.truncateSync(path.join(copy, first), 2500), /00001.*reaches beyond the file/],
    ['without a map', change(() => ({ metadata: {} })), /it has no weight_map/],
    [
      'that is no JSON',
      (copy) => fs.writeFileSync(path.join(copy, 'model.safetensors.index.json'), '{'),
      /not valid JSON/,
    ],
    [
      'that puts a tensor elsewhere',
      change(({ weight_map }) => ({ weight_map: { ...weight_map, 'feature.0.weight': '../model.safetensors' } })),
      /"feature.0.weight" into a file that is not beside it/,
    ],
    [
      'that names what its shard lacks',
      change(({ weight_map }) => ({ weight_map: { ...weight_map, more: first } })),
      /00001.*lacks "more"/,
    ],
  ])('%s is refused', async (...[, damage, about, code]) => {
    const copy = copyOf('shards');
    damage(copy);
    await expect(readCheckpoint(copy)).rejects.toThrow(refusal(about, code));
  });
});

test('a folder with nothing of these is named as one', async () => {
  await expect(readCheckpoint(folder.path)).rejects.toThrow(refusal(/is a folder; name a file in it/, 'ERR_FILE'));
});

test('torch.distributed.checkpoint of this PyTorch, in blocks of two dimensions on four ranks', async () => {
  const found = torchProgram();
  if (!found) return;
  const place = path.join(folder.path, 'live');
  fs.mkdirSync(place);
  fs.writeFileSync(path.join(place, 'make.py'), LIVE);
  const { status, stderr } = spawnSync(
    found.python,
    ['-m', 'torch.distributed.run', '--nproc-per-node', '4', 'make.py'],
    { cwd: place, env: { ...found.env, OMP_NUM_THREADS: '1' }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const [value, whole] = await Promise.all(
    ['dcp', 'full.pt'].map(async (name) => (await readCheckpoint(path.join(place, name))).value as Map<string, Value>),
  );
  expect(contentOf(value!)).toEqual(contentOf(whole!));
}, 120_000);

const LIVE = `
import torch, torch.distributed as dist, torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
dist.init_process_group("gloo")
torch.manual_seed(5)
full = {"a": torch.randn(5, 7), "b": torch.randn(3, 10, 2, 2), "c": torch.randn(9).bfloat16(), "d": torch.randn(33, 5)}
where = {"a": [Shard(0), Shard(1)], "b": [Replicate(), Shard(1)], "c": [Shard(0), Replicate()], "d": [Shard(0), Shard(0)]}
mesh = init_device_mesh("cpu", (2, 2))
dcp.save({k: distribute_tensor(v, mesh, where[k]) for k, v in full.items()}, storage_writer=dcp.FileSystemWriter("dcp", thread_count=2))
if dist.get_rank() == 0:
    torch.save(full, "full.pt")
dist.destroy_process_group()
`;
