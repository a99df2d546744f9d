/** Any value that is written is read back, and PyTorch reads it too. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { parseNpy, readNpy, writeNpy } from '../../src/checkpoint/npy';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import { readSafetensors, writeSafetensors } from '../../src/checkpoint/safetensors';
import { momentumOf, sgdOptimizerValue } from '../../src/checkpoint/sgd';
import { isBytes, isDict, isTensor, numbersOf, OrderedDict, type Value } from '../../src/checkpoint/value';
import { DTYPE_BYTES, type Dtype, type StateDict, type TensorData } from '../../src/tensor';
import { writeLegacyCheckpoint } from '../support/legacy-checkpoint';

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'earlybird-checkpoint-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));
const file = (name: string) => path.join(folder, name);

const dtypes = Object.keys(DTYPE_BYTES) as Dtype[];
const tensors = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
    seed: fc.nat(),
  })
  .map(({ dtype, shape, seed }): TensorData => {
    const bytes = DTYPE_BYTES[dtype] * shape.reduce((a, b) => a * b, 1);
    const data = Uint8Array.from({ length: bytes }, (_, i) =>
      dtype === 'bool' ? (seed + i) & 1 : (seed + i * 89) & 0xff,
    );
    return { dtype, shape, data };
  });
const keys = fc.oneof(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger());
const { tree } = fc.letrec<{ tree: Value }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 900n }),
    fc.bigInt({ min: -(2n ** 900n), max: -(2n ** 53n) }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    tensors,
    fc.array(tie('tree'), { maxLength: 5 }),
    fc.array(fc.tuple(keys, tie('tree')), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.array(fc.tuple(keys, tie('tree')), { maxLength: 5 }).map((entries) => new OrderedDict(entries)),
  ),
}));

/** Comparable form: buffers and maps of other classes become plain. */
function plain(value: Value): unknown {
  if (isTensor(value)) return { dtype: value.dtype, shape: value.shape, data: Buffer.from(value.data).toString('hex') };
  if (isBytes(value)) return { bytes: Buffer.from(value).toString('hex') };
  if (Array.isArray(value)) return value.map(plain);
  if (isDict(value))
    return { ordered: value instanceof OrderedDict, entries: [...value].map(([key, member]) => [key, plain(member)]) };
  return value;
}

test.each([
  ['zip', writeCheckpoint],
  ['legacy', writeLegacyCheckpoint],
] as const)('any value survives the %s layout', async (format, write) => {
  const name = file(`tree-${format}.pth.tar`);
  await fc.assert(
    fc.asyncProperty(tree, async (value) => {
      await write(name, value);
      const back = await readCheckpoint(name);
      expect(back.format).toBe(format);
      expect(plain(back.value)).toEqual(plain(value));
    }),
    { numRuns: 150, seed: 3 },
  );
});

test('any tensors survive safetensors, and are one state dict to readCheckpoint', async () => {
  const name = file('any.safetensors');
  const key = fc
    .string({ unit: 'grapheme' })
    .filter((text) => text !== '__metadata__' && text !== '__proto__' && !/^\d+$/.test(text));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(key, tensors), { maxLength: 6 }), async (entries) => {
      const state: StateDict = new Map(entries);
      await writeSafetensors(name, state, [['format', 'pt']]);
      const back = await readSafetensors(name);
      expect(plain(new Map(back.tensors))).toEqual(plain(new Map(state)));
      expect([...back.metadata]).toEqual([['format', 'pt']]);
      const { format, value } = await readCheckpoint(name);
      expect(format).toBe('safetensors');
      if (state.size > 0) expect([...stateDictOf(value).keys()]).toHaveLength(state.size);
    }),
    { numRuns: 100, seed: 4 },
  );
});

test('any array survives .npy', async () => {
  const name = file('any.npy');
  await fc.assert(
    fc.asyncProperty(
      tensors.filter(({ dtype }) => dtype !== 'bfloat16'),
      async (tensor) => {
        await writeNpy(name, tensor);
        expect(plain(await readNpy(name))).toEqual(plain(tensor));
      },
    ),
    { numRuns: 100, seed: 5 },
  );
  await expect(writeNpy(name, { dtype: 'bfloat16', shape: [1], data: new Uint8Array(2) })).rejects.toMatchObject({
    code: 'ERR_CHECKPOINT',
  });
});

test('.npy is byte for byte what numpy writes', async () => {
  const name = file('matrix.npy');
  await writeNpy(name, { dtype: 'float64', shape: [2, 2], data: new Float64Array([1, 0.5, 0.5, 1]) });
  const bytes = fs.readFileSync(name);
  const header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }";
  expect(bytes.subarray(0, 10).toString('latin1')).toBe('\x93NUMPY\x01\x00\x76\x00');
  expect(bytes.subarray(10, 128).toString('latin1')).toBe(`${header.padEnd(117)}\n`);
  expect(bytes.length).toBe(128 + 32);
});

test('.npy in Fortran order is read in C order', () => {
  const header = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }".padEnd(117);
  const head = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, 'latin1');
  const bytes = Buffer.concat([head, Buffer.from(new Float64Array([1, 2, 3, 4]).buffer)]);
  expect([...numbersOf(parseNpy(bytes))]).toEqual([1, 3, 2, 4]);
});

test('tensors that share memory are one storage in the file and share memory again', async () => {
  const data = new Uint8Array(4000).fill(7);
  const tensor: TensorData = { dtype: 'float32', shape: [1000], data };
  const name = file('shared.pth');
  await writeCheckpoint(
    name,
    new Map<string, Value>([
      ['a', tensor],
      ['b', { ...tensor, shape: [10, 100] }],
    ]),
  );
  expect(fs.statSync(name).size).toBeLessThan(6500);
  const state = stateDictOf((await readCheckpoint(name)).value);
  expect(state.get('a')!.data.byteOffset).toBe(state.get('b')!.data.byteOffset);
  expect(state.get('b')!.shape).toEqual([10, 100]);
});

test('equal content gives equal bytes, whatever the name; storages are aligned to 64 bytes', async () => {
  const value = new Map<string, Value>([['w', { dtype: 'uint8', shape: [3], data: Uint8Array.of(250, 251, 252) }]]);
  await writeCheckpoint(file('one.pth.tar'), value);
  await writeCheckpoint(file('two.pth'), value);
  const bytes = fs.readFileSync(file('one.pth.tar'));
  expect(bytes.equals(fs.readFileSync(file('two.pth')))).toBe(true);
  expect(bytes.indexOf(Uint8Array.of(250, 251, 252)) % 64).toBe(0);
});

test.each([
  ['a function', (() => 1) as unknown as Value],
  ['undefined', undefined as unknown as Value],
  ['a key that is an object', new Map([[{} as unknown as string, 1]])],
  ['a tensor of the wrong size', { dtype: 'float32', shape: [2], data: new Uint8Array(4) } as TensorData],
  ['half a surrogate pair', '\ud800'],
])('%s is refused, and no file is left', async (_what, value) => {
  await expect(writeCheckpoint(file('refused.pth'), value)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
  expect(fs.readdirSync(folder).filter((name) => name.includes('refused'))).toEqual([]);
});

/** Takes a file; leaves one written by torch beside it. Exits with 77 where there is no torch. */
const CHECK = `
import sys
try:
    import torch
except ImportError:
    sys.exit(77)
file = sys.argv[1]
c = torch.load(file, weights_only=True)
assert list(c) == ['epoch', 'state_dict', 'best_prec1', 'optimizer', 'cfg', 'half'], list(c)
assert c['epoch'] == 7 and c['best_prec1'] == 71.25 and c['cfg'] == [4, 'M']
assert type(c['state_dict']).__name__ == 'OrderedDict' and c['half'].dtype == torch.bfloat16
m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
m.load_state_dict(c['state_dict'])
o = torch.optim.SGD(m.parameters(), lr=1.0, momentum=0.5)
o.load_state_dict(c['optimizer'])
assert o.param_groups[0]['lr'] == 0.01 and o.param_groups[0]['momentum'] == 0.9 and o.param_groups[0]['weight_decay'] == 1e-4
p = list(m.parameters())
assert torch.equal(o.state[p[0]]['momentum_buffer'], torch.full((4, 3, 3, 3), 0.5))
for q in p: q.grad = torch.ones_like(q)
o.step()
torch.save({'state_dict': m.state_dict(), 'optimizer': o.state_dict()}, file + '.back')
torch.load(file, weights_only=True, mmap=True)
`;

test('PyTorch loads both layouts into a model and torch.optim.SGD, and we read what it saves', async () => {
  const filled = (shape: number[], x: number): TensorData => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(x);
    return { dtype: 'float32', shape, data: new Uint8Array(data.buffer) };
  };
  const count: TensorData = { dtype: 'int64', shape: [], data: new Uint8Array(new BigInt64Array([12n]).buffer) };
  const state: StateDict = new Map([
    ['0.weight', filled([4, 3, 3, 3], 1)],
    ...['weight', 'bias', 'running_mean', 'running_var'].map((key): [string, TensorData] => [
      `1.${key}`,
      filled([4], 1),
    ]),
    ['1.num_batches_tracked', count],
    ['2.weight', filled([2, 4], 1)],
    ['2.bias', filled([2], 1)],
  ]);
  const parameters = ['0.weight', '1.weight', '1.bias', '2.weight', '2.bias'];
  const momentum: StateDict = new Map(parameters.map((key) => [key, filled(state.get(key)!.shape, 0.5)]));
  const value = new Map<string, Value>([
    ['epoch', 7],
    ['state_dict', stateDictValue(state)],
    ['best_prec1', 71.25],
    ['optimizer', sgdOptimizerValue({ momentum, parameters, lr: 0.01, momentumFactor: 0.9, weightDecay: 1e-4 })],
    ['cfg', [4, 'M']],
    ['half', { dtype: 'bfloat16', shape: [1], data: new Uint8Array(2) }],
  ]);
  const name = file('torch.pth.tar');
  await writeCheckpoint(name, value);

  const python = process.env.EARLYBIRD_PYTHON ?? 'python3';
  const run = spawnSync(python, ['-c', CHECK, name], { encoding: 'utf8' });
  if (run.error || run.status === 77) {
    console.log(`skipped: ${python} has no torch; set EARLYBIRD_PYTHON to a Python that has`);
    return;
  }
  expect(run.stderr).toBe('');
  const back = momentumOf((await readCheckpoint(`${name}.back`)).value, parameters);
  expect(back.lr).toBe(0.01);
  // 0.9 * 0.5 + (gradient 1 + weight decay 1e-4 * 1)
  expect(numbersOf(back.momentum.get('2.bias')!)[0]).toBeCloseTo(1.4501, 6);
});

test('values at which the buffer of the pickle grows are kept, whatever they are', async () => {
  // Every kind of value at every place around the first size of the buffer.
  for (let shift = 0; shift < 48; shift++) {
    const items: Value[] = ['x'.repeat(65_470 + shift)];
    for (let i = 0; i < 12; i++) items.push('text', 0.1, 7, 2 ** 40, true);
    const value = new Map<string, Value>([['items', items]]);
    await writeCheckpoint(file('grown.pth'), value);
    expect((await readCheckpoint(file('grown.pth'))).value).toEqual(value);
  }
});

test('row-major views of one storage share its memory; others are copied', async () => {
  const views = path.resolve(__dirname, '../fixtures/reference/checkpoints/views.pth.tar');
  const state = stateDictOf((await readCheckpoint(views)).value);
  const [whole, part, strided] = ['shared_1', 'a', 'shared_2'].map((key) => state.get(key)!.data);
  expect(part!.buffer === whole!.buffer && part!.byteOffset === whole!.byteOffset + 16).toBe(true);
  expect(strided!.buffer === whole!.buffer).toBe(false);
});
