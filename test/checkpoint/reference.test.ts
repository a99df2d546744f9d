/**
 * Every file of the golden set: readable ones give the recorded values, hostile ones a typed refusal.
 * The small fixtures always run; the whole set where it is found (EARLYBIRD_REFERENCE or ../shared/reference).
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { cfgOf, stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/pth';
import { isDict, isTensor, numbersOf, type Value } from '../../src/checkpoint/value';
import type { TensorData } from '../../src/tensor';

interface Good {
  file: string;
  container: string;
  top_level_keys: string[];
  expected: unknown;
}
interface Bad {
  file: string;
  expect: string;
}

const root = path.resolve(__dirname, '../..');
const reference = process.env.EARLYBIRD_REFERENCE ?? path.resolve(root, '../shared/reference');
const table = path.join(reference, 'checkpoints.json');
const found = fs.existsSync(table);
if (!found) console.log(`only the small checkpoint fixtures are tested: there is no ${table}`);

const { good, bad }: { good: Good[]; bad: Bad[] } = JSON.parse(
  fs.readFileSync(found ? table : path.join(root, 'test/fixtures/checkpoints/expected.json'), 'utf8'),
);
const folder = found ? path.join(reference, 'checkpoints') : path.join(root, 'test/fixtures/checkpoints');
const read = (file: string) => readCheckpoint(path.join(folder, file));

interface ExpectedTensor {
  dtype: string;
  shape: number[];
  sum: number | null;
  first: number[];
}

function isExpectedTensor(expected: object): expected is ExpectedTensor {
  return 'dtype' in expected && 'shape' in expected;
}

function expectTensor(tensor: TensorData, expected: ExpectedTensor): void {
  expect(tensor.dtype).toBe(expected.dtype);
  expect(tensor.shape).toEqual(expected.shape);
  const numbers = numbersOf(tensor);
  expect([...numbers.subarray(0, expected.first.length)].map(Number)).toEqual(expected.first.map(Number));
  const absolute = numbers.reduce((sum, x) => sum + Math.abs(x), 0);
  expect(Math.abs(numbers.reduce((sum, x) => sum + x, 0) - Number(expected.sum))).toBeLessThanOrEqual(1e-9 * absolute);
}

function expectValue(value: Value | undefined, expected: unknown): void {
  if (expected === null || typeof expected !== 'object') {
    expect(typeof value === 'bigint' ? Number(value) : value).toEqual(expected);
  } else if (Array.isArray(expected)) {
    expect(Array.isArray(value) && value.length).toBe(expected.length);
    expected.forEach((member, i) => {
      expectValue((value as Value[])[i], member);
    });
  } else if ('numpy_scalar' in expected) {
    expect(value).toBe((expected as { value?: unknown }).value);
  } else if (isExpectedTensor(expected)) {
    if (!isTensor(value)) throw new Error('expected a tensor');
    expectTensor(value, expected);
  } else {
    if (!isDict(value)) throw new Error('expected a dictionary');
    // JSON has only text keys; optimizer.state has integers.
    expect([...value.keys()].map(String).sort()).toEqual(Object.keys(expected).sort());
    for (const [key, member] of value) expectValue(member, (expected as Record<string, unknown>)[String(key)]);
  }
}

test.each(good)('reads $file', async ({ file, container, top_level_keys, expected }) => {
  const { format, value } = await read(file);
  expect(format).toBe(container);
  expect(isDict(value) && [...value.keys()]).toEqual(top_level_keys);
  expectValue(value, expected);
});

/** Damage that is not the container's: the model is to refuse it, or a general reader may return it. */
const READABLE = ['path_traversal', 'not_a_dict', 'bad_cfg', 'shape_mismatch'];

test.each(bad)('$file: $expect', async ({ file }) => {
  const name = path.basename(file, '.pth.tar');
  if (!READABLE.includes(name)) {
    const refused = read(file);
    await expect(refused).rejects.toMatchObject({ name: 'EarlybirdError', code: 'ERR_CHECKPOINT' });
    await expect(refused).rejects.toThrow(file);
    return;
  }
  const { value } = await read(file);
  const refusal = expect.objectContaining({ code: 'ERR_CHECKPOINT' });
  if (name === 'not_a_dict') expect(() => stateDictOf(value)).toThrow(refusal);
  if (name === 'bad_cfg') expect(() => cfgOf(value)).toThrow(refusal);
});

test('row-major views of one storage share its memory; others are copied', async () => {
  const state = stateDictOf((await read('views.pth.tar')).value);
  const [whole, part, strided] = ['shared_1', 'a', 'shared_2'].map((key) => state.get(key)!.data);
  expect(part!.buffer === whole!.buffer && part!.byteOffset === whole!.byteOffset + 16).toBe(true);
  expect(strided!.buffer === whole!.buffer).toBe(false);
});
