/**
 * Data sets in the formats of other tools: every image, its class and its bytes. The files in fixtures/formats/ were written by the tools that
 * scripts/golden/data_files.py names; where those are installed, a live test makes others and reads them.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { deflateSync, gunzipSync, inflateSync } from 'node:zlib';
import { convertOthers } from '../../src/data/converted';
import { isJpeg } from '../../src/data/decode';
import { readSynsets } from '../../src/data/formats/meta-mat';
import { openImagenet } from '../../src/data/imagenet';
import { bytesOf, NOT_PLAIN } from '../../src/data/listing';
import { openDataset } from '../../src/data/open';
import { pack } from '../../src/data/pack/pack';
import { Random } from '../../src/data/random';
import { verifyDataset } from '../../src/data/verify/verify';
import { jpeg, makeTree, type Tree } from '../support/image-tree';
import { checkContent, type Expected } from './format-content';

const fixtures = path.join(__dirname, '../fixtures/formats');
const expected = JSON.parse(readFileSync(path.join(fixtures, 'expected.json'), 'utf8')) as Expected;

const CLASSES = ['n01440764', 'n01443537', 'n01484850'];

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

/** A copy of a fixture. FFCV fills its files up with zeros, so they are compressed here. */
function copyOf(name: string): string {
  cpSync(path.join(fixtures, name), tree.at(name), { recursive: true });
  for (const file of readdirSync(tree.at(name)).filter((file) => file.endsWith('.beton.gz'))) {
    writeFileSync(tree.at(name, file.slice(0, -3)), gunzipSync(readFileSync(tree.at(name, file))));
    rmSync(tree.at(name, file));
  }
  return tree.at(name);
}

test.each(Object.keys(expected))('%s: every image, its class and its bytes; verify and pack', async (name) => {
  const data = copyOf(name);
  await checkContent(data, expected[name]!);
  // The second time, places come from the stored index.
  await checkContent(data, expected[name]!);
  expect(await verifyDataset({ dataset: 'imagenet', data })).toMatchObject({ problems: [], notRead: [] });
  const { bad, manifest } = await pack(data, tree.at('out'));
  expect(bad).toEqual([]);
  const packed = await openImagenet({ data: tree.at('out') });
  expect(packed.classNames).toEqual(manifest.classes);
  const perClass = (labels: Int32Array) => manifest.classes.map((_, c) => labels.filter((label) => label === c).length);
  const { train } = await openImagenet({ data });
  expect(perClass(packed.train!.labels)).toEqual(perClass(train!.labels));
  const resident = await openDataset({ dataset: 'folder', data, imageSize: 16, cacheDir: tree.at('cache') });
  expect(Array.from(resident.train.labels)).toEqual(expected[name]!.splits.train.map(([label]) => label));
});

/** Writes the MDS shards of a split, with one JPEG for each label, and their index.json. */
function placeMds(split: string, kind: 'int' | 'str', shards: readonly (number | string)[][], image: Buffer): void {
  const described = shards.map((labels, i) => {
    const table = Buffer.alloc(8 + 4 * labels.length);
    table.writeUInt32LE(labels.length, 0);
    table.writeUInt32LE(table.length, 4);
    const parts = [table];
    let end = table.length;
    for (const [j, label] of labels.entries()) {
      const value = kind === 'str' ? Buffer.from(`${label}`) : Buffer.alloc(8);
      if (kind === 'int') value.writeBigInt64LE(BigInt(label));
      const varying = kind === 'str' ? [image, value] : [image];
      const sample = Buffer.concat([
        Buffer.from(Uint32Array.from(varying, ({ length }) => length).buffer),
        image,
        value,
      ]);
      end += sample.length;
      table.writeUInt32LE(end, 8 + 4 * j);
      parts.push(sample);
    }
    const basename = `shard.0000${i}.mds`;
    tree.place(`${split}/${basename}`, Buffer.concat(parts));
    return {
      column_names: ['image', 'label'],
      column_encodings: ['jpeg', kind],
      column_sizes: [null, kind === 'str' ? null : 8],
      compression: null,
      samples: labels.length,
      raw_data: { basename, bytes: end, hashes: {} },
      zip_data: null,
    };
  });
  tree.place(`${split}/index.json`, JSON.stringify({ version: 2, shards: described }));
}

test('pictures that training leaves out are NOT READ for data verify, in files of every kind', async () => {
  const image = await jpeg(1);
  placeMds(
    'mds/train',
    'int',
    [
      [0, 1, -1],
      [-1, 1],
    ],
    image,
  );
  placeMds('mds/val', 'int', [[0, 1]], image);
  const archives = copyOf('ilsvrc');
  rmSync(path.join(archives, 'ILSVRC2012_devkit_t12.tar.gz'));
  const known = [1, 2, 3].map((number, c) => `ILSVRC2012_val_0000000${number},${CLASSES[c]} 1 2 3 4`);
  tree.place('ilsvrc/LOC_val_solution.csv', ['ImageId,PredictionString', ...known, ''].join('\n'));
  for (const [data, said] of [
    [
      tree.at('mds'),
      /^2 images are not read \(train\/shard\.00000\.mds:2: no class \(-1\); train\/shard\.00001\.mds:0: /,
    ],
    [
      archives,
      /^1 images are not read \(ILSVRC2012_img_val\.tar:ILSVRC2012_val_00000004: no class in the ground truth\)/,
    ],
  ] as const) {
    const { notRead, problems } = await verifyDataset({ dataset: 'imagenet', data });
    expect([problems, notRead]).toEqual([[], [expect.stringMatching(said)]]);
  }
});

test('a file without images names no classes, and is no other data set', async () => {
  placeMds('train', 'str', [[], ['bee', 'ant'], []], await jpeg(1));
  placeMds('val', 'str', [['bee'], []], await jpeg(1));
  const { classNames, train, test: tests } = await openImagenet({ data: tree.root });
  expect([classNames, [...train!.labels], [...tests.labels]]).toEqual([['ant', 'bee'], [1, 0], [1]]);
});

test('images that are not plain go into the cache once: JPEG as they are, others as pixels', async () => {
  const { train } = await openImagenet({ data: copyOf('hf-2') });
  expect([...train!.lengths]).toEqual(Array(9).fill(NOT_PLAIN));
  const options = { cacheDir: tree.at('cache') };
  const cached = await convertOthers(train!, options);
  expect(cached.lengths.includes(NOT_PLAIN)).toBe(false);
  for (let i = 0; i < cached.count; i++) {
    const [before, after] = [await bytesOf(train!, i), await bytesOf(cached, i)];
    if (isJpeg(before)) expect(after.equals(before)).toBe(true);
    else expect(after.toString('latin1', 0, 2)).toBe('P6');
  }
  const [file] = readdirSync(tree.at('cache/images')).filter((name) => name.endsWith('.ppm'));
  const { mtimeMs } = statSync(tree.at('cache/images', file!));
  await convertOthers(train!, options);
  expect(statSync(tree.at('cache/images', file!)).mtimeMs).toBe(mtimeMs);
});

test('where a column of images is not compressed, they lie in the parquet file as in a shard', async () => {
  const { train } = await openImagenet({ data: copyOf('hf-5') });
  expect(train!.lengths.includes(NOT_PLAIN)).toBe(false);
  expect(train!.nameOf(5)).toBe('data/train-00001-of-00002.parquet:0');
  // PNG by their bytes, not by a name.
  expect([...train!.others!]).toEqual([2, 5, 8]);
});

describe('damage is ERR_DATASET, and nothing is left half-written', () => {
  const shardsIn = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => !/test-/.test(file))
      .filter((file) => /\.(parquet|mds|mds\.\w+|beton|tar)$/.test(file))
      .map((file) => path.join(folder, file));

  test.each(Object.keys(expected))('%s: cut off, or with any byte changed', async (name) => {
    const data = copyOf(name);
    const refused = async (bytes: Buffer, file: string, must: boolean) => {
      writeFileSync(file, bytes);
      const before = process.memoryUsage().rss;
      const error = await readAll(data).catch((error: unknown) => error);
      if (error instanceof Error || must) expect(error).toMatchObject({ code: 'ERR_DATASET' });
      expect(process.memoryUsage().rss - before).toBeLessThan(400e6);
      const left = readdirSync(path.dirname(file)).filter((entry) => entry.includes('.tmp-'));
      expect(left).toEqual([]);
    };
    const file = shardsIn(data)[0]!;
    const whole = readFileSync(file);
    for (const part of [0, 0.3, 0.7]) await refused(whole.subarray(0, part * whole.length), file, true);
    const random = new Random(7, name.length);
    for (let i = 0; i < 25; i++) {
      const bytes = Buffer.from(whole);
      // The ends are the places of headers and footers; a byte in the middle is one of an image as a rule.
      const near = i % 2 ? random.below(400) : bytes.length - 1 - random.below(Math.min(2000, bytes.length));
      bytes[near] = i % 3 ? bytes[near]! ^ (1 << random.below(8)) : 255;
      await refused(bytes, file, false);
    }
  });

  async function readAll(data: string): Promise<void> {
    const { train } = await openImagenet({ data });
    for (let i = 0; i < train!.count; i++) await bytesOf(train!, i);
  }

  test('parquet: pages whose levels are longer than they are', async () => {
    const data = copyOf('pq-zstd-v2');
    const file = shardsIn(data)[0]!;
    const whole = readFileSync(file);
    const messages = new Set<string>();
    for (let at = 4; at < 60; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 0x70;
      writeFileSync(file, bytes);
      const error = await readAll(data).catch((error: Error) => error);
      if (error) messages.add(error.message);
    }
    expect([...messages].join()).toContain('(a page has less than its levels)');
  });

  test('parquet: a run that claims a billion values takes no memory', async () => {
    const data = copyOf('pq-dictionary');
    const file = path.join(data, 'train/0000.parquet');
    const bytes = readFileSync(file);
    // The levels of the first data page: a run of 4 values, each present (8 02).
    const at = bytes.indexOf(Buffer.from([2, 0, 0, 0, 8, 2]));
    expect(at).toBeGreaterThan(0);
    Buffer.from([6, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x07, 2]).copy(bytes, at);
    writeFileSync(file, bytes);
    await expect(openImagenet({ data })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/0000\.parquet is damaged or not a parquet file \(a run claims \d+ values\)/),
    });
  });

  test('MDS: a wrong checksum, a file outside the folder, a compression that is not read', async () => {
    const data = copyOf('mds-pil');
    const place = path.join(data, 'train/index.json');
    const text = readFileSync(place, 'utf8');
    const reads = (pattern: RegExp) =>
      expect(openImagenet({ data })).rejects.toMatchObject({
        code: 'ERR_DATASET',
        message: expect.stringMatching(pattern),
      });
    const hash = /"sha1": "(\w+)"/.exec(text)![1]!;
    writeFileSync(place, text.replace(hash, '0'.repeat(40)));
    await reads(/shard\.00000\.mds\.zstd is damaged .*(checksum|not what index\.json says)/);
    writeFileSync(place, text.replaceAll('shard.00000', '../../shard.00000'));
    await reads(/index\.json is damaged or not an index/);
    writeFileSync(place, text.replaceAll('zstd:7', 'bz2'));
    await reads(/is compressed with bz2, which is not read: unpack it beside itself first/);
    writeFileSync(place, '{"shards": [null]}');
    await reads(/index\.json is damaged or not an index/);
  });

  test("ImageNet's archives: nothing that says the classes of val, or numbers without their order", async () => {
    const data = copyOf('ilsvrc');
    const kit = path.join(data, 'ILSVRC2012_devkit_t12.tar.gz');
    const whole = readFileSync(kit);
    const reads = (pattern: RegExp) =>
      expect(openImagenet({ data })).rejects.toMatchObject({
        code: 'ERR_DATASET',
        message: expect.stringMatching(pattern),
      });
    rmSync(kit);
    await reads(/Nothing beside .*ILSVRC2012_img_val\.tar says the classes of its images: put ILSVRC2012_devkit_t12/);
    tree.place('ilsvrc/ILSVRC2012_validation_ground_truth.txt', '1\n2\n3\n1\n');
    await reads(/its numbers count in the order of meta\.mat/);
    rmSync(path.join(data, 'ILSVRC2012_validation_ground_truth.txt'));
    writeFileSync(kit, whole.subarray(0, whole.length / 2));
    await reads(/devkit_t12\.tar\.gz is cut off or damaged/);
    const solution = [
      'ImageId,PredictionString',
      ...[2, 0, 1, 0].map((c, i) => `ILSVRC2012_val_0000000${i + 1},${CLASSES[c]} 1 2 3 4`),
    ];
    rmSync(kit);
    tree.place('ilsvrc/LOC_val_solution.csv', `${solution.join('\n')}\n`);
    expect([...(await openImagenet({ data })).test.labels]).toEqual([2, 0, 1, 0]);
  });

  test('meta.mat: any byte changed', () => {
    const bytes = readFileSync(path.join(fixtures, 'meta.mat'));
    expect(readSynsets(bytes).map(({ wnid, leaf }) => [wnid, leaf])).toEqual([
      ['n01484850', true],
      ['n01440764', true],
      ['n01443537', true],
      ['n00001740', false],
    ]);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = 255 - changed[at]!;
      try {
        readSynsets(changed);
      } catch (error) {
        expect((error as Error).message).toMatch(/./);
      }
    }
    // Names of fields that are longer than all of their text: rows without fields would never end.
    const plain = inflateSync(bytes.subarray(136));
    const width = plain.indexOf(Buffer.of(5, 0, 4, 0));
    plain.writeInt32LE(9999, width + 4);
    const packed = deflateSync(plain);
    const tag = Buffer.from(bytes.subarray(0, 136));
    tag.writeUInt32LE(packed.length, 132);
    expect(() => readSynsets(Buffer.concat([tag, packed]))).toThrow('a structure has no field names');
  });
});

test('folders of the same tools that are not read are named', async () => {
  tree.place('disk/train/data-00000-of-00001.arrow', 'x');
  tree.place('disk/dataset_dict.json', '{}');
  const refused = {
    code: 'ERR_DATASET',
    message: expect.stringMatching(/save_to_disk of Hugging Face datasets .*to_parquet/),
  };
  await expect(openImagenet({ data: tree.at('disk') })).rejects.toMatchObject(refused);
  for (const dataset of ['cifar10', 'folder'])
    await expect(openDataset({ dataset, data: tree.at('disk') })).rejects.toMatchObject(refused);
  cpSync(path.join(fixtures, 'hf-5/data'), tree.at('two/a'), { recursive: true });
  cpSync(path.join(fixtures, 'hf-5/data'), tree.at('two/b'), { recursive: true });
  await expect(openImagenet({ data: tree.at('two') })).rejects.toMatchObject({
    message: expect.stringMatching(/holds several data sets \(a, b\): give --data the folder of one of them/),
  });
});

test('packing compressed images goes on after an interruption, to the same bytes', async () => {
  const data = copyOf('hf-2');
  const options = { shardSize: '2' };
  await pack(data, tree.at('whole'), options);
  const stop = new AbortController();
  const onProgress = (done: number) => done >= 5 && stop.abort(new Error('stop'));
  await expect(pack(data, tree.at('parts'), { ...options, onProgress, signal: stop.signal })).rejects.toThrow('stop');
  expect(existsSync(tree.at('parts/manifest.json'))).toBe(false);
  await pack(data, tree.at('parts'), options);
  for (const name of readdirSync(tree.at('whole')).filter((name) => /\.tar$|manifest/.test(name)))
    expect(readFileSync(tree.at('parts', name)).equals(readFileSync(tree.at('whole', name)))).toBe(true);
});

test("ImageNet's validation set unpacked without class folders takes its classes from the development kit", async () => {
  const data = copyOf('ilsvrc');
  const { test: packed } = await openImagenet({ data });
  const images = await Promise.all(Array.from({ length: 4 }, (_, i) => bytesOf(packed, i)));
  rmSync(path.join(data, 'ILSVRC2012_img_val.tar'));
  rmSync(path.join(data, 'ILSVRC2012_img_train.tar'));
  for (const name of CLASSES.slice(0, 2)) tree.place(`ilsvrc/train/${name}/1.JPEG`, images[0]!);
  for (const [i, image] of images.entries()) tree.place(`ilsvrc/val/ILSVRC2012_val_0000000${i + 1}.JPEG`, image);
  const { test: unpacked, unread } = await openImagenet({ data });
  const known = [...packed.labels].filter((label) => label < 2);
  expect([...unpacked.labels]).toEqual(known.sort());
  expect(unpacked.count + unread.length).toBe(4);
  for (let i = 0; i < unpacked.count; i++) {
    const at = Number(/(\d)\.JPEG$/.exec(unpacked.nameOf(i))![1]) - 1;
    expect(unpacked.labels[i]).toBe(packed.labels[at]);
    expect((await bytesOf(unpacked, i)).equals(images[at]!)).toBe(true);
  }
  expect(unread.every(({ reason }) => reason === 'of n01484850, which is not a class of train/')).toBe(true);
});

test('class folders come before archives that were left beside them; shards in numbered folders have an index', async () => {
  const data = copyOf('ilsvrc');
  const { train } = await openImagenet({ data });
  for (const split of ['train', 'val']) tree.place(`ilsvrc/${split}/n01440764/1.JPEG`, await bytesOf(train!, 0));
  expect(await openImagenet({ data })).toMatchObject({ where: 'in class folders', train: { count: 1 } });
  const merged = copyOf('mds-jpeg');
  for (const split of ['train', 'val']) {
    const place = path.join(merged, split, 'index.json');
    const index = JSON.parse(readFileSync(place, 'utf8')) as { shards: { raw_data: { basename: string } }[] };
    for (const { raw_data: part } of index.shards) {
      tree.place(`mds-jpeg/${split}/0/${part.basename}`, readFileSync(path.join(merged, split, part.basename)));
      rmSync(path.join(merged, split, part.basename));
      part.basename = `0/${part.basename}`;
    }
    writeFileSync(place, JSON.stringify(index));
  }
  await checkContent(merged, expected['mds-jpeg']!);
  expect((await pack(merged, tree.at('out'))).manifest.splits.train!.images).toBe(9);
});
