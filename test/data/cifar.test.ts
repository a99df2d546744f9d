import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { readBatchPickle } from '../../src/data/cifar/batch-pickle';
import { CIFAR, type CifarForm, type CifarName } from '../../src/data/cifar/cifar';
import { openDataset } from '../../src/data/open';
import { cifarFiles, examples, pickledBatch, pixelOf, writeArchive, writeFolder } from '../support/cifar-files';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'eb-cifar-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ALL: [CifarName, CifarForm][] = [
  ['cifar10', 'python'],
  ['cifar10', 'binary'],
  ['cifar100', 'python'],
  ['cifar100', 'binary'],
];
const read = (dataset: string, data?: string) => openDataset({ dataset, data, cacheDir: path.join(root, 'cache') });

test.each(ALL)('%s %s: archive, folder and parent folder give the same images', async (name, form) => {
  const { folder, archive } = CIFAR[name][form];
  const files = cifarFiles(name, form);
  const unpacked = writeFolder(path.join(root, 'a', folder), files);
  const packed = await writeArchive(path.join(root, 'b', archive), folder, files);
  const renamed = await writeArchive(path.join(root, 'c', 'mine.tgz'), folder, files);
  const first = await read(name, unpacked);

  const items = examples(name);
  const train = CIFAR[name].python.train.flatMap((file) => items[file]!);
  expect(first).toMatchObject({ name, synthetic: false, classes: CIFAR[name].classes, height: 32, width: 32 });
  expect(first.mean).toEqual([0.4914, 0.4822, 0.4465]);
  expect(first.std).toEqual([0.2023, 0.1994, 0.201]);
  expect(first.classNames[3]).toBe('name3');
  expect([...first.train.labels]).toEqual(train.map(({ label }) => label));
  expect(first.test.count).toBe(1);
  for (const [y, x, channel] of [
    [0, 0, 0],
    [5, 30, 1],
    [31, 31, 2],
  ] as const)
    expect(first.train.images[((1 * 32 + y) * 32 + x) * 3 + channel]).toBe(pixelOf(train[1]!, y, x, channel));

  for (const place of [path.join(root, 'a'), packed, path.join(root, 'b'), renamed])
    expect((await read(name, place)).fingerprint).toBe(first.fingerprint);
});

test('python and binary forms are one dataset', async () => {
  const python = await read('cifar10', writeFolder(path.join(root, 'p'), cifarFiles('cifar10', 'python')));
  const binary = await read('cifar10', writeFolder(path.join(root, 'b'), cifarFiles('cifar10', 'binary')));
  expect(binary.fingerprint).toBe(python.fingerprint);
});

test('looks in ./data.cifar10 as the reference does, then in the cache', async () => {
  const before = process.cwd();
  process.chdir(root);
  try {
    await expect(read('cifar10')).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/No CIFAR-10 in data\.cifar10 or .*earlybird data fetch cifar10/),
    });
    const files = cifarFiles('cifar10', 'binary');
    await writeArchive(path.join(root, 'cache', 'cifar10', 'cifar-10-binary.tar.gz'), 'cifar-10-batches-bin', files);
    expect((await read('cifar10')).train.count).toBe(10);
    const one = new Map(
      [...files].map(([name, bytes]) => [name, name.endsWith('.bin') ? bytes.subarray(0, 3073) : bytes]),
    );
    writeFolder(path.join(root, 'data.cifar10', 'cifar-10-batches-bin'), one);
    expect((await read('cifar10')).train.count).toBe(5);
  } finally {
    process.chdir(before);
  }
});

test('says which file is missing, damaged or of another kind', async () => {
  const fails = (data: string, pattern: RegExp, dataset = 'cifar10') =>
    expect(read(dataset, data)).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringMatching(pattern) });

  const missing = cifarFiles('cifar10', 'python');
  missing.delete('data_batch_3');
  await fails(writeFolder(path.join(root, 'missing'), missing), /lacks data_batch_3/);

  const files = cifarFiles('cifar10', 'binary');
  files.set('test_batch.bin', files.get('test_batch.bin')!.subarray(1));
  await fails(
    writeFolder(path.join(root, 'short'), files),
    /test_batch\.bin.*3072 bytes are not a whole number of 3073/,
  );

  files.set('test_batch.bin', Buffer.alloc(3073, 10));
  await fails(writeFolder(path.join(root, 'label'), files), /label 0 is 10, not a class from 0 to 9/);

  const archive = await writeArchive(
    path.join(root, 'x.tar.gz'),
    'cifar-10-batches-bin',
    cifarFiles('cifar10', 'binary'),
  );
  await fails(archive, /holds no CIFAR-100 files/, 'cifar100');
  writeFileSync(archive, readFileSync(archive).subarray(0, -500));
  await fails(archive, /cut off or damaged/);

  writeFileSync(archive, 'not an archive at all'.repeat(100));
  await fails(archive, /damaged|holds no/);
  await fails(path.join(root, 'nowhere'), /No CIFAR-10 at .*nowhere/);
});

test('an archive is read into memory alone: links in it lead nowhere', async () => {
  const archiveOf = async (header: Partial<Header> & { name: string }, own?: Buffer) => {
    const archive = pack();
    for (const [name, bytes] of cifarFiles('cifar10', 'binary')) {
      if (name === 'test_batch.bin') archive.entry(header, own ?? '');
      else archive.entry({ name: `cifar-10-batches-bin/${name}` }, bytes);
    }
    archive.finalize();
    const file = path.join(root, 'links', 'a.tar.gz');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, gzipSync(await buffer(archive as unknown as NodeJS.ReadableStream)));
    return read('cifar10', file);
  };
  const outside = path.join(root, 'test_batch.bin');
  writeFileSync(outside, cifarFiles('cifar10', 'binary').get('test_batch.bin')!);
  for (const type of ['symlink', 'link'] as const) {
    const archive = archiveOf({ name: 'cifar-10-batches-bin/test_batch.bin', type, linkname: outside });
    await expect(archive).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('test_batch'),
    });
  }
  const climbing = { name: '../../../test_batch.bin' };
  expect((await archiveOf(climbing, readFileSync(outside))).test.count).toBe(1);
  expect(readdirSync(path.join(root, 'links'))).toEqual(['a.tar.gz']);
});

test('refuses unknown names and senseless numbers', async () => {
  const refuse = (options: Partial<Parameters<typeof openDataset>[0]>, pattern: RegExp) =>
    expect(openDataset({ dataset: 'synthetic', ...options })).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringMatching(pattern),
    });
  await refuse({ dataset: 'cifar' }, /known are cifar10, cifar100, imagenet, folder, synthetic/);
  await refuse({ limitTrain: 0 }, /--limit-train is 0/);
  await refuse({ limitTest: 1.5 }, /--limit-test is 1.5/);
  await refuse({ imageSize: -1 }, /image size is -1/);
  await refuse({ dataset: 'folder' }, /needs --data/);
});

describe('the pickle reader', () => {
  const good = pickledBatch(examples('cifar10').test_batch!, 'labels');
  const refuse = (bytes: Buffer, pattern: RegExp) => expect(() => readBatchPickle(bytes, 'file')).toThrow(pattern);

  test('reads what Python 3 writes of the same batch', () => {
    // {b'labels': [1, 300], 'name': b'ab'} in protocol 4: frame, short strings, memo by number.
    const bytes = Buffer.from(
      '80049500000000000000007d942843066c6162656c73945d94284b014d2c01658c046e616d659443026162752e',
      'hex',
    );
    const value = readBatchPickle(bytes, 'file') as Map<string, unknown>;
    expect(value.get('labels')).toEqual([1, 300]);
    expect(Buffer.from(value.get('name') as Uint8Array).toString()).toBe('ab');
  });

  test('runs nothing and lets no other name through', () => {
    refuse(Buffer.from('cos\nsystem\n(U\x04trueitR.', 'latin1'), /names os\.system/);
    refuse(Buffer.from('\x80\x02cnumpy\nndarray\n)R.', 'latin1'), /not a function/);
    refuse(Buffer.from('\x80\x02(i__builtin__\neval\n.', 'latin1'), /names __builtin__\.eval/);
  });

  test('survives any cut and any changed byte', () => {
    for (let length = 0; length < good.length; length += 13)
      refuse(good.subarray(0, length), /file is not a CIFAR batch/);
    for (let at = 0; at < 600; at++) {
      const bytes = Buffer.from(good);
      bytes[at]! ^= 0x55;
      try {
        readBatchPickle(bytes, 'file');
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_DATASET' });
      }
    }
  });
});
