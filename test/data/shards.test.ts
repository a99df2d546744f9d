import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { pack as tarPack } from 'tar-stream';
import { openImagenet } from '../../src/data/imagenet';
import { pack } from '../../src/data/pack/pack';
import { indexOf } from '../../src/data/shards/stored-index';
import { verifyDataset } from '../../src/data/verify/verify';
import { jpeg, makeTree, type Tree } from '../support/image-tree';

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

/** Writes a tar of these entries, in this order. */
async function shard(name: string, entries: [string, Buffer | string][]): Promise<string> {
  const tar = tarPack();
  for (const [file, content] of entries) tar.entry({ name: file }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return tree.place(name, Buffer.concat(chunks));
}

const open = () => openImagenet({ data: tree.root });
const refused = (pattern: RegExp) =>
  expect(open()).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringMatching(pattern) });

test('pairs of image and class are found where they lie', async () => {
  const images = await Promise.all([1, 2, 3, 4].map((number) => jpeg(number)));
  const long = `${'deep/'.repeat(40)}name`;
  await shard('train-000000.tar', [
    ['a.cls', '1'],
    ['a.jpg', images[0]!],
    ['b.jpeg', images[1]!],
    ['b.cls', ' 0\n'],
    ['b.json', '{}'],
    ['notes', 'no extension'],
    ['only.json', '{}'],
  ]);
  await shard('train-000001.tar', [
    [`${long}.JPG`, images[2]!],
    [`${long}.cls`, '2'],
  ]);
  await shard('val-000000.tar', [
    ['v.jpg', images[3]!],
    ['v.cls', '1'],
  ]);
  const { train, test, classNames } = await open();
  expect(classNames).toEqual(['0', '1', '2']);
  expect([...train!.labels]).toEqual([1, 0, 2]);
  expect([...train!.file]).toEqual([0, 0, 1]);
  expect([0, 1, 2].map((i) => train!.nameOf(i))).toEqual([
    'train-000000.tar:a',
    'train-000000.tar:b',
    `train-000001.tar:${long}`,
  ]);
  for (const i of [0, 1, 2]) {
    const bytes = readFileSync(train!.files[train!.file[i]!]!);
    const [start, length] = [train!.offsets[i]!, train!.lengths[i]!];
    expect(bytes.subarray(start, start + length).equals(images[i]!)).toBe(true);
  }
  expect(test.count).toBe(1);
});

test('other names and places', async () => {
  const image = await jpeg(1);
  await shard('train/any.tar', [
    ['a.jpg', image],
    ['a.cls', '0'],
  ]);
  await shard('imagenet1k-validation-00.tar', [
    ['a.jpg', image],
    ['a.cls', '0'],
  ]);
  expect(await open()).toMatchObject({ classes: 1, train: { count: 1 }, test: { count: 1 } });
  rmSync(tree.at('imagenet1k-validation-00.tar'));
  await refused(/holds no val-\*\.tar/);
});

test('a test set alone has the numbered classes of its training set', async () => {
  const image = await jpeg(1);
  const labelled = (...labels: number[]) =>
    labels.flatMap((label): [string, Buffer | string][] => [
      [`${label}.jpg`, image],
      [`${label}.cls`, `${label}`],
    ]);
  await shard('train-0.tar', labelled(2, 5, 7));
  await shard('val-0.tar', labelled(2, 5));
  expect((await open()).classes).toBe(8);
  const alone = () => openImagenet({ data: tree.root, train: false });
  expect(await alone()).toMatchObject({ classes: 8, train: null, test: { count: 2 } });
  for (const split of ['train', 'val'] as const) {
    const { manifest } = await pack(tree.root, tree.at(`only-${split}`), { splits: [split] });
    expect(manifest.classes).toEqual(['2', '5', '7']);
  }
  rmSync(tree.at('train-0.tar'));
  expect((await alone()).classes).toBe(6);
});

test('the index beside a shard serves as long as the shard is the same', async () => {
  const file = await shard('val-0.tar', [
    ['a.jpg', await jpeg(1)],
    ['a.cls', '3'],
  ]);
  const place = `${file}.idx.json`;
  const index = await indexOf(file);
  expect(existsSync(place)).toBe(true);
  const { mtime } = statSync(file);
  // The stored index is believed: a label that is not in the shard shows that the shard is not read.
  writeFileSync(place, readFileSync(place, 'utf8').replace('"labels":[3]', '"labels":[4]'));
  expect((await indexOf(file)).labels).toEqual([4]);
  utimesSync(file, mtime, new Date(0));
  expect((await indexOf(file)).labels).toEqual([3]);
  const { size, mtimeMs } = statSync(file);
  const stored = (value: object) => JSON.stringify({ version: 2, size, mtimeMs, index: value });
  const wrong = { ...index, labels: [4] }; // tells a stored index that is believed
  for (const damage of [
    '{"version":2',
    'null',
    stored({ keys: [] }),
    stored({ ...wrong, offsets: [] }),
    stored({ ...wrong, unread: undefined }),
    stored({ ...wrong, others: 0 }),
    stored(wrong).replace('"version":2', '"version":1'),
  ]) {
    writeFileSync(place, damage);
    expect(await indexOf(file)).toEqual(index);
  }
});

test('damaged shards are refused with a reason', async () => {
  const image = await jpeg(1);
  const good: [string, Buffer | string][] = [
    ['a.jpg', image],
    ['a.cls', '0'],
  ];
  await shard('train-0.tar', good);
  await shard('val-0.tar', [['a.jpg', image]]);
  await refused(/val-0\.tar has the image a\.jpg without a\.cls/);
  await shard('val-0.tar', [
    ['a.jpg', image],
    ['a.cls', 'cat'],
  ]);
  await refused(/a\.cls in .*val-0\.tar is not a class number/);
  await shard('val-0.tar', [['a.txt', 'x']]);
  await refused(/holds no pair of an image \(key\.jpg\) and its class \(key\.cls\)/);
  const file = await shard('val-0.tar', good);
  const whole = readFileSync(file);
  writeFileSync(file, whole.subarray(0, 600));
  await refused(/ends in the middle of an entry/);
  writeFileSync(file, Buffer.concat([whole.subarray(0, 512), whole.subarray(600)]));
  await refused(/is damaged at byte/);
  // A size that is no number, under a checksum that is right.
  const sizeless = Buffer.from(whole);
  sizeless.write('none', 124, 'latin1');
  sizeless.fill(' ', 148, 156);
  const sum = sizeless.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  sizeless.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  writeFileSync(file, sizeless);
  await refused(/has an entry of no size at byte 0/);
  writeFileSync(file, Buffer.alloc(2000, 7));
  await refused(/is not a tar archive/);
  writeFileSync(file, '');
  await refused(/is not a tar archive/);
  tree.place('manifest.json', '{');
  await shard('val-0.tar', good);
  await refused(/manifest\.json is damaged or not from "earlybird data pack"/);
  const manifest = { format: 'earlybird shards 1', key: '', classes: [], splits: {} };
  const foreign = [null, [], {}, { ...manifest, format: 'other' }, { ...manifest, classes: 3 }];
  for (const value of [
    ...foreign,
    { ...manifest, splits: { val: {} } },
    { ...manifest, splits: { val: { shards: [3] } } },
  ]) {
    tree.place('manifest.json', JSON.stringify(value));
    await refused(/manifest\.json is damaged or not from/);
  }
  tree.place('manifest.json', JSON.stringify(manifest));
  await refused(/image of class 0, but manifest\.json names only 0 classes/);
});

test('archives of one class come after class folders, and do not mix with classes that are numbers', async () => {
  const image = await jpeg(1);
  for (const name of ['n01440764', 'n01443537']) {
    await shard(`train/${name}.tar`, [[`${name}_1.JPEG`, image]]);
    tree.place(`train/${name}/${name}_1.JPEG`, image);
    tree.place(`val/${name}/v_${name}.JPEG`, image);
  }
  expect(await open()).toMatchObject({ classes: 2, train: { count: 2 }, test: { count: 2 } });
  for (const name of ['n01440764', 'n01443537']) {
    rmSync(tree.at('train', name), { recursive: true });
    rmSync(tree.at('val', name), { recursive: true });
  }
  await shard('val-0.tar', [
    ['a.jpg', image],
    ['a.cls', '0'],
  ]);
  await refused(/val-0\.tar names other classes than .*n01440764\.tar \(none; n01440764\)/);
});

test('an empty image in a shard is an empty image, not the whole shard', async () => {
  const pair = (key: string, bytes: Buffer): [string, Buffer | string][] => [
    [`${key}.cls`, '0'],
    [`${key}.jpg`, bytes],
  ];
  const image = await jpeg(1);
  await shard('train-0.tar', [...pair('a', image), ...pair('b', Buffer.alloc(0))]);
  await shard('val-0.tar', pair('a', image));
  const { train } = await open();
  expect([...train!.lengths]).toEqual([image.length, 0]);
  const { problems } = await verifyDataset({ dataset: 'imagenet', data: tree.root });
  expect(problems).toEqual([expect.stringMatching(/^1 of 2 images cannot be decoded .*train-0\.tar:b: [^;]*empty/i)]);
});
