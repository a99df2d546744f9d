/** Damaged and hostile variants of good files, the same for the same seed; shared by the fast and the long fuzz test. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { parseNpy, writeNpy } from '../../src/checkpoint/npy';
import { parseCheckpoint } from '../../src/checkpoint/pth';
import { Budget } from '../../src/checkpoint/refuse';
import { writeSafetensors } from '../../src/checkpoint/safetensors';
import { isDict, isTensor, isWellFormed, type Value } from '../../src/checkpoint/value';
import { ZipArchive } from '../../src/checkpoint/zip/read';
import { zipChunks } from '../../src/checkpoint/zip/write';
import { EarlybirdError } from '../../src/errors';
import type { StateDict, TensorData } from '../../src/tensor';

export interface Seed {
  name: string;
  bytes: Uint8Array;
}

const fixtures = path.resolve(__dirname, '../fixtures/reference/checkpoints');
const cases = path.resolve(__dirname, '../cases/checkpoints');
const CASES = ['values', 'values-legacy', 'objects', 'objects-protocol5'];
const FILES = [
  'pruned_vgg_small',
  'pruned_vgg_small_legacy',
  'numpy_scalar',
  'numpy1_scalar_legacy',
  'views',
  'views_legacy',
  'protocol4',
];

/** Good files of all containers; `folder` is for temporary ones. */
export async function seeds(folder: string): Promise<Seed[]> {
  const float = (shape: number[]): TensorData => {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Uint8Array.from({ length: 4 * count }, (_, i) => (i * 37) % 251);
    return { dtype: 'float32', shape, data };
  };
  const tensors: StateDict = new Map([
    ['a.weight', float([4, 3])],
    ['a.bias', float([4])],
    ['n', { dtype: 'int64', shape: [], data: new Uint8Array(8) }],
  ]);
  const safetensors = path.join(folder, 'seed.safetensors');
  const npy = path.join(folder, 'seed.npy');
  await writeSafetensors(safetensors, tensors, [['format', 'pt']]);
  await writeNpy(npy, float([6, 7]));
  return [
    ...FILES.map((name) => ({ name, bytes: fs.readFileSync(path.join(fixtures, `${name}.pth.tar`)) })),
    ...CASES.map((name) => ({ name, bytes: fs.readFileSync(path.join(cases, `${name}.pt`)) })),
    { name: 'safetensors', bytes: fs.readFileSync(safetensors) },
    { name: 'npy', bytes: fs.readFileSync(npy) },
  ];
}

export type Random = (below: number) => number;

/** A small generator of uniform integers (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Every operation of the reader, some it lacks, and texts that mean something to it. */
const SPLICES = [
  ...'()]}.0N1tlaesudRbQ\x85\x86\x87\x88\x89\x8f\x90\x81\x93\x94\x82',
  ...[
    'J\xff\xff\xff\x7f',
    'J\x00\x00\x00\x80',
    'K\x00',
    'M\xff\xff',
    'G\x7f\xf8\x00\x00\x00\x00\x00\x00',
    '\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f',
  ],
  ...[
    'X\xff\xff\xff\x7f',
    'X\x01\x00\x00\x00a',
    'T\xff\xff\xff\xff',
    'B\x00\x00\x00\x40',
    '\x8d\xff\xff\xff\xff\xff\xff\xff\x7f',
    '\x8e\x00\x00\x00\x00\x01\x00\x00\x00',
  ],
  ...[
    'q\x00',
    'h\x00',
    'h\x03',
    'r\xff\xff\xff\xff',
    'j\xff\xff\xff\x7f',
    '\x95\xff\xff\xff\xff\xff\xff\xff\xff',
    '\x80\x09',
    '}q\x07h\x07',
    ']q\x08h\x08a',
  ],
  ...[
    'cposix\nsystem\n',
    'ccollections\nOrderedDict\n)R',
    'ctorch\nFloatStorage\n',
    'ctorch._utils\n_rebuild_tensor_v2\n',
    'c__builtin__\neval\n',
    'cnumpy\ndtype\n',
    'cargparse\nNamespace\n)\x81',
    'capp\nNet\n)}\x92',
    'ctorch._tensor\n_rebuild_from_type_v2\n',
    'ctorch\nComplexFloatStorage\n',
    'ccollections\nCounter\n}\x85R',
    '(iapp\nNet\n',
  ],
].map((text) => Buffer.from(text, 'latin1'));

const NUMBERS = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** One to four changes, anywhere or (`within`) in a range. */
export function mutate(bytes: Uint8Array, random: Random, others: Seed[]): Uint8Array {
  let result: Buffer = Buffer.from(bytes);
  for (let times = 1 + random(4); times > 0; times--) result = change(result, random, others);
  return result;
}

function change(bytes: Buffer, random: Random, others: Seed[]): Buffer {
  if (bytes.length < 8) return Buffer.concat([bytes, SPLICES[random(SPLICES.length)]!]);
  const at = random(bytes.length);
  switch (random(8)) {
    case 0: // a flipped bit
    case 1:
      bytes[at]! ^= 1 << random(8);
      return bytes;
    case 2: // cut off
      return bytes.subarray(0, at);
    case 3: {
      // an operation inserted
      const splice = SPLICES[random(SPLICES.length)]!;
      return Buffer.concat([bytes.subarray(0, at), splice, bytes.subarray(at)]);
    }
    case 4: // an operation written over what was there
      SPLICES[random(SPLICES.length)]!.copy(bytes, at);
      return bytes;
    case 5: // a telling number
      bytes.writeUInt32LE(NUMBERS[random(NUMBERS.length)]!, Math.min(at, bytes.length - 4));
      return bytes;
    case 6: {
      // a piece repeated
      const piece = bytes.subarray(at, at + 1 + random(64));
      const to = random(bytes.length);
      return Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(to)]);
    }
    default: {
      // a piece of another file
      const other = others[random(others.length)]!.bytes;
      const from = random(other.length);
      const piece = other.subarray(from, from + 1 + random(200));
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + random(64))]);
    }
  }
}

/** A zip whose records are mutated but whose checksums are right again, so that the damage reaches the pickle reader. */
export async function mutateInside(bytes: Uint8Array, random: Random, others: Seed[]): Promise<Uint8Array> {
  const archive = new ZipArchive(bytes, new Budget(bytes.length));
  const records = archive.names.map((name) => ({ name, data: archive.read(name) }));
  const target =
    random(4) === 0 ? records[random(records.length)]! : records.find(({ name }) => name.endsWith('data.pkl'))!;
  target.data = mutate(target.data, random, others);
  const chunks: Uint8Array[] = [];
  for await (const chunk of zipChunks(records, () => [])) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface Outcome {
  refused: boolean;
  milliseconds: number;
}

/** Parses; throws where the outcome is neither a typed refusal nor a sound value, or memory goes beyond twice the file. */
export function check(name: string, bytes: Uint8Array): Outcome {
  const budget = new Budget(bytes.length);
  const buffersBefore = process.memoryUsage().arrayBuffers;
  const start = performance.now();
  let refused = false;
  try {
    const value: Value = name === 'npy' ? parseNpy(bytes, name, budget) : parseCheckpoint(bytes, name, budget).value;
    checkSound(value);
  } catch (error) {
    if (!(error instanceof EarlybirdError) || error.code !== 'ERR_CHECKPOINT' || !error.message.includes(name))
      throw error;
    refused = true;
  }
  const milliseconds = performance.now() - start;
  const allocated = process.memoryUsage().arrayBuffers - buffersBefore;
  if (allocated > bytes.length + (2 << 20))
    throw new Error(`${allocated} bytes of buffers for a file of ${bytes.length}`);
  // The charge that was refused was never allocated.
  if (!refused && budget.buffers + budget.nodes > bytes.length + (16 << 20))
    throw new Error('the budget was overdrawn');
  return { refused, milliseconds };
}

function checkSound(value: Value): void {
  if (Array.isArray(value)) value.forEach(checkSound);
  else if (isDict(value)) for (const member of value.values()) checkSound(member);
  else if (isTensor(value) && !isWellFormed(value)) throw new Error('a tensor whose data does not fill its shape');
}

/** `count` mutated files in turn from all seeds. Returns how many were refused and the slowest of all. */
export async function fuzz(folder: string, count: number, seed: number): Promise<{ refused: number; slowest: number }> {
  const files = await seeds(folder);
  const random = randomOf(seed);
  let refused = 0;
  let slowest = 0;
  for (let i = 0; i < count; i++) {
    const file = files[i % files.length]!;
    const inside = file.bytes[0] === 0x50 && random(4) > 0;
    const bytes = inside ? await mutateInside(file.bytes, random, files) : mutate(file.bytes, random, files);
    try {
      const outcome = check(file.name, bytes);
      refused += Number(outcome.refused);
      slowest = Math.max(slowest, outcome.milliseconds);
    } catch (error) {
      const kept = path.join(folder, `mutation-${seed}-${i}`);
      fs.writeFileSync(kept, bytes);
      throw new Error(
        `mutation ${i} of seed ${seed} (${file.name}, kept as ${kept}): ${error instanceof Error ? error.stack : error}`,
      );
    }
  }
  return { refused, slowest };
}
