/**
 * The official CIFAR-10 and CIFAR-100 files: python (pickled) and binary, in their .tar.gz archives or unpacked.
 * Formats: https://www.cs.toronto.edu/~kriz/cifar.html. Both store planes (3, 32, 32); here they become (32, 32, 3).
 */
import { readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { isBytes, isDict, isTensor } from '../../checkpoint/value';
import type { EarlybirdError } from '../../errors';
import { filesInArchive } from '../archive';
import type { ImageSet } from '../dataset';
import { datasetError, nullIfAbsent } from '../errors';
import { KNOWN, type KnownDataset } from '../known';
import { readBatchPickle } from './batch-pickle';

export type CifarName = 'cifar10' | 'cifar100';
export type CifarForm = 'python' | 'binary';

interface Files {
  archive: string;
  folder: string;
  train: string[];
  test: string[];
  meta: string;
}

export interface CifarKind extends KnownDataset {
  name: CifarName;
  /** Names of the classes, in their order. */
  names: readonly string[];
  python: Files & { labelKey: string; namesKey: string };
  /** Files of the binary form; `labelBytes` stand before the pixels of a record, the last of them the (fine) label. */
  binary: Files & { labelBytes: number };
}

const FIVE = [1, 2, 3, 4, 5];

export const CIFAR: Record<CifarName, CifarKind> = {
  cifar10: {
    name: 'cifar10',
    names: 'airplane automobile bird cat deer dog frog horse ship truck'.split(' '),
    ...KNOWN.cifar10,
    python: {
      archive: 'cifar-10-python.tar.gz',
      folder: 'cifar-10-batches-py',
      train: FIVE.map((n) => `data_batch_${n}`),
      test: ['test_batch'],
      meta: 'batches.meta',
      labelKey: 'labels',
      namesKey: 'label_names',
    },
    binary: {
      archive: 'cifar-10-binary.tar.gz',
      folder: 'cifar-10-batches-bin',
      train: FIVE.map((n) => `data_batch_${n}.bin`),
      test: ['test_batch.bin'],
      meta: 'batches.meta.txt',
      labelBytes: 1,
    },
  },
  cifar100: {
    name: 'cifar100',
    names: [
      'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can',
      'castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin',
      'elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard',
      'lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear',
      'pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark',
      'shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone',
      'television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm',
    ].flatMap((line) => line.split(' ')),
    ...KNOWN.cifar100,
    python: {
      archive: 'cifar-100-python.tar.gz',
      folder: 'cifar-100-python',
      train: ['train'],
      test: ['test'],
      meta: 'meta',
      labelKey: 'fine_labels',
      namesKey: 'fine_label_names',
    },
    binary: {
      archive: 'cifar-100-binary.tar.gz',
      folder: 'cifar-100-binary',
      train: ['train.bin'],
      test: ['test.bin'],
      meta: 'fine_label_names.txt',
      labelBytes: 2,
    },
  },
};

const PLANE = KNOWN.cifar10.size ** 2;
const PIXELS = PLANE * 3;
/** Limit above the largest official file (train of CIFAR-100), which has 155 MB. */
const MAX_FILE_BYTES = 512 << 20;
const FORMS = ['python', 'binary'] as const;

interface CifarSets {
  train: ImageSet;
  test: ImageSet;
  classNames: string[];
  form: CifarForm;
}

interface Options {
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

/**
 * Reads both sets from an archive (.tar.gz or .tar, under any name) or from the folder that holds the files themselves.
 * Rejects with ERR_DATASET when files are missing or damaged, ERR_FILE when they cannot be read.
 */
export async function readCifar(kind: CifarKind, place: string, options: Options = {}): Promise<CifarSets> {
  const parts = new Map<string, ImageSet>();
  const names = new Map<CifarForm, string[]>();
  for await (const [file, bytes] of filesOf(place, kind, options.signal)) {
    const where = path.join(place, file);
    const form = FORMS.find((candidate) => wanted(kind[candidate]).includes(file))!;
    if (file === kind[form].meta) names.set(form, readNames(kind, form, bytes, where));
    else
      parts.set(
        file,
        await toImages(form === 'python' ? readPython(kind, bytes, where) : readBinary(kind, bytes, where), where),
      );
    options.onProgress?.(parts.size, kind.python.train.length + 1, `reading ${kind.title}`);
  }
  const form = FORMS.find((candidate) => wanted(kind[candidate]).some((file) => parts.has(file)));
  if (!form) throw datasetError(`${place} holds no ${kind.title} files; check --data and --dataset.`);
  const missing = [...kind[form].train, ...kind[form].test].filter((file) => !parts.has(file));
  if (missing.length > 0)
    throw datasetError(`${place} lacks ${missing.join(', ')} of ${kind.title}; unpack or fetch it again.`);
  const named = names.get(form) ?? [];
  return {
    train: await join(kind[form].train.map((file) => parts.get(file)!)),
    test: await join(kind[form].test.map((file) => parts.get(file)!)),
    classNames: named.length === kind.classes ? named : Array.from({ length: kind.classes }, (_, i) => `class ${i}`),
    form,
  };
}

function wanted(files: Files): string[] {
  return [...files.train, ...files.test, files.meta];
}

/** The files of both forms in a folder or archive. */
async function* filesOf(place: string, kind: CifarKind, signal?: AbortSignal): AsyncGenerator<[string, Buffer]> {
  const all = FORMS.flatMap((form) => wanted(kind[form]));
  if (!(await stat(place)).isDirectory())
    return yield* filesInArchive(place, (name) => all.includes(name), MAX_FILE_BYTES, signal);
  for (const file of all) {
    signal?.throwIfAborted();
    const info = await stat(path.join(place, file)).catch(nullIfAbsent);
    if (!info?.isFile()) continue;
    checkSize(info.size, path.join(place, file));
    yield [file, await readFile(path.join(place, file))];
  }
}

function checkSize(bytes: number, where: string): void {
  if (bytes > MAX_FILE_BYTES) throw damaged(where, `it has ${bytes} bytes`);
}

/**
 * Records as the files hold them: the first pixel (3, 32, 32) in `bytes`, the distance between records, and the labels.
 */
interface Records {
  bytes: Uint8Array;
  first: number;
  stride: number;
  labels: Int32Array;
}

function readPython(kind: CifarKind, bytes: Buffer, where: string): Records {
  const batch = readBatchPickle(bytes, where);
  const data = isDict(batch) ? batch.get('data') : undefined;
  const labels = isDict(batch) ? batch.get(kind.python.labelKey) : undefined;
  if (!isTensor(data) || !Array.isArray(labels)) throw damaged(where, `it has no data or no ${kind.python.labelKey}`);
  if (data.shape.length !== 2 || data.shape[1] !== PIXELS || data.shape[0] !== labels.length)
    throw damaged(where, `its data has the shape (${data.shape}) beside ${labels.length} labels`);
  const numbers = Int32Array.from(labels as number[]);
  checkLabels(numbers, labels, kind, where);
  return { bytes: data.data, first: 0, stride: PIXELS, labels: numbers };
}

function readBinary(kind: CifarKind, bytes: Buffer, where: string): Records {
  const stride = kind.binary.labelBytes + PIXELS;
  if (bytes.length === 0 || bytes.length % stride !== 0)
    throw damaged(where, `its ${bytes.length} bytes are not a whole number of ${stride}-byte records`);
  const labels = Int32Array.from(
    { length: bytes.length / stride },
    (_, i) => bytes[i * stride + kind.binary.labelBytes - 1]!,
  );
  checkLabels(labels, labels, kind, where);
  return { bytes, first: kind.binary.labelBytes, stride, labels };
}

function checkLabels(labels: Int32Array, given: ArrayLike<unknown>, kind: CifarKind, where: string): void {
  const bad = labels.findIndex((label, i) => label !== given[i] || label < 0 || label >= kind.classes);
  if (bad >= 0) throw damaged(where, `label ${bad} is ${given[bad]}, not a class from 0 to ${kind.classes - 1}`);
}

function readNames(kind: CifarKind, form: CifarForm, bytes: Buffer, where: string): string[] {
  if (form === 'binary') return bytes.toString('utf8').split(/\r?\n/).filter(Boolean);
  const meta = readBatchPickle(bytes, where);
  const names = isDict(meta) ? meta.get(kind.python.namesKey) : undefined;
  if (!Array.isArray(names)) return [];
  return names.map((name) => (isBytes(name) ? Buffer.from(name).toString('latin1') : String(name)));
}

/** Converts planes (n, 3, 32, 32) to pixels (n, 32, 32, 3), yielding to the event loop every few milliseconds. */
async function toImages({ bytes, first, stride, labels }: Records, where: string): Promise<ImageSet> {
  const count = labels.length;
  if (count === 0) throw damaged(where, 'it holds no images');
  const images = new Uint8Array(count * PIXELS);
  for (let i = 0; i < count; i++) {
    const from = first + i * stride;
    for (let pixel = 0, at = i * PIXELS; pixel < PLANE; pixel++) {
      images[at++] = bytes[from + pixel]!;
      images[at++] = bytes[from + pixel + PLANE]!;
      images[at++] = bytes[from + pixel + 2 * PLANE]!;
    }
    if (i % 512 === 511) await breathe();
  }
  return { images, labels, count };
}

async function join(sets: ImageSet[]): Promise<ImageSet> {
  if (sets.length === 1) return sets[0]!;
  const count = sets.reduce((sum, set) => sum + set.count, 0);
  const all = { images: new Uint8Array(count * PIXELS), labels: new Int32Array(count), count };
  let at = 0;
  for (const set of sets) {
    all.images.set(set.images, at * PIXELS);
    all.labels.set(set.labels, at);
    at += set.count;
    await breathe();
  }
  return all;
}

function damaged(where: string, why: string): EarlybirdError {
  return datasetError(`${where} is damaged or not a CIFAR file: ${why}; fetch it again.`);
}
