/** Tiny CIFAR files in every official form, written here byte by byte. */
import { mkdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { CIFAR, type CifarForm, type CifarName } from '../../src/data/cifar/cifar';

export interface Example {
  label: number;
  /** Planes (3, 32, 32). */
  pixels: Buffer;
}

/** Image number `seed`: every byte differs from its neighbours in all directions. */
export function example(seed: number, label: number): Example {
  return {
    label,
    pixels: Buffer.from(Array.from({ length: 3072 }, (_, i) => (i * 7 + (i >> 5) * 3 + seed * 11) & 255)),
  };
}

/** The value of pixel (y, x, channel) of an example. */
export function pixelOf({ pixels }: Example, y: number, x: number, channel: number): number {
  return pixels[channel * 1024 + y * 32 + x]!;
}

/** Two images in each train file, one in each test file. */
export function examples(name: CifarName): Record<string, Example[]> {
  const { train, test } = CIFAR[name].python;
  const classes = CIFAR[name].classes;
  let seed = 0;
  const next = () => example(++seed, (seed * 3) % classes);
  return Object.fromEntries([
    ...train.map((file) => [file, [next(), next()]]),
    ...test.map((file) => [file, [next()]]),
  ]);
}

/** File name to content, as the archive of that form holds them. */
export function cifarFiles(name: CifarName, form: CifarForm, items = examples(name)): Map<string, Buffer> {
  const kind = CIFAR[name];
  const classNames = Array.from({ length: kind.classes }, (_, i) => `name${i}`);
  const files = new Map<string, Buffer>();
  if (form === 'binary') {
    for (const [file, list] of Object.entries(items)) {
      const records = list.map(({ label, pixels }) =>
        Buffer.concat([name === 'cifar10' ? Buffer.from([label]) : Buffer.from([99 - label, label]), pixels]),
      );
      files.set(`${file}.bin`, Buffer.concat(records));
    }
    return files.set(kind.binary.meta, Buffer.from(`${classNames.join('\n')}\n\n`));
  }
  for (const [file, list] of Object.entries(items)) files.set(file, pickledBatch(list, kind.python.labelKey));
  return files.set(kind.python.meta, pickle({ num_vis: 3072, [kind.python.namesKey]: classNames }));
}

/** A batch as Python 2's cPickle writes it. */
export function pickledBatch(list: Example[], labelKey: string): Buffer {
  const data = array([list.length, 3072], Buffer.concat(list.map(({ pixels }) => pixels)));
  const labels = list.map(({ label }) => label);
  return pickle({
    batch_label: 'training batch 1 of 5',
    [labelKey]: labels,
    data,
    filenames: labels.map(() => 'leptodactylus_s_000004.png'),
  });
}

const op = (code: string, ...rest: Buffer[]) => Buffer.concat([Buffer.from(code, 'latin1'), ...rest]);
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const text = (value: string) =>
  value.length < 256
    ? op('U', Buffer.from([value.length]), Buffer.from(value, 'latin1'))
    : op('T', u32(value.length), Buffer.from(value, 'latin1'));
const whole = (value: number) => (value >= 0 && value < 256 ? op('K', Buffer.from([value])) : op('J', u32(value)));

/** A NumPy uint8 array: `_reconstruct(ndarray, (0,), 'b')`, then its state. */
function array(shape: number[], bytes: Buffer): Buffer {
  const dtype = Buffer.concat([
    op('cnumpy\ndtype\n'),
    text('u1'),
    whole(0),
    whole(1),
    op('\x87R'),
    op('('),
    whole(3),
    text('|'),
    op('NNN'),
    whole(-1),
    whole(-1),
    whole(0),
    op('tb'),
  ]);
  return Buffer.concat([
    op('cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02'),
    whole(0),
    op('\x85'),
    text('b'),
    op('\x87Rq\x03'),
    op('('),
    whole(1),
    ...shape.map(whole),
    op('\x86'),
    dtype,
    op('\x89'),
    op('T', u32(bytes.length), bytes),
    op('tb'),
  ]);
}

function pickle(dict: Record<string, string | number | (string | number)[] | Buffer>): Buffer {
  const scalar = (value: string | number) => (typeof value === 'string' ? text(value) : whole(value));
  const items = Object.entries(dict).flatMap(([key, value]) => [
    text(key),
    Buffer.isBuffer(value)
      ? value
      : Array.isArray(value)
        ? op(']', op('('), ...value.map(scalar), op('e'))
        : scalar(value),
  ]);
  return Buffer.concat([op('\x80\x02}('), ...items, op('u.')]);
}

/** Writes the files into a folder, which is made. */
export function writeFolder(folder: string, files: Map<string, Buffer>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(path.join(folder, name), bytes);
  return folder;
}

/** Writes the files as a .tar.gz with one folder, as the official ones are. */
export async function writeArchive(file: string, folder: string, files: Map<string, Buffer>): Promise<string> {
  const archive = pack();
  archive.entry({ name: `${folder}/`, type: 'directory' });
  for (const [name, bytes] of files) archive.entry({ name: `${folder}/${name}` }, bytes);
  archive.finalize();
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, gzipSync(await buffer(archive as unknown as NodeJS.ReadableStream)));
  return file;
}
