/** Data sets as other tools write them (expected.json names the tools of data/), and faults that people met. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { pack as tarPack } from 'tar-stream';
import { openImagenet } from '../../src/data/imagenet';
import { bytesOf, type ImageListing } from '../../src/data/listing';
import { openDataset } from '../../src/data/open';
import { pack } from '../../src/data/pack/pack';
import { verifyDataset } from '../../src/data/verify/verify';
import { loaderCheck } from '../../src/engine/loader-check';
import { fillTree, jpeg, makeTree, picture, type Tree } from '../support/image-tree';

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

const CLASSES = ['n01440764', 'n01443537', 'n01484850'];
const fixture = (name: string) => path.join(__dirname, 'data', name);
const open = (folder = '') => openImagenet({ data: tree.at(folder) });
const verify = (folder = '') => verifyDataset({ dataset: 'imagenet', data: tree.at(folder), loader: loaderCheck() });
const inOrder = { problems: [], notRead: [] };

async function shard(name: string, entries: [string, Buffer | string][]): Promise<string> {
  const tar = tarPack();
  for (const [file, content] of entries) tar.entry({ name: file }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return tree.place(name, Buffer.concat(chunks));
}

/** Writes the same shard as train and val. */
async function shards(entries: [string, Buffer | string][], folder = ''): Promise<void> {
  for (const split of ['train', 'val']) await shard(path.join(folder, `${split}-000000.tar`), entries);
}

const names = (set: ImageListing) => Array.from({ length: set.count }, (_, i) => set.nameOf(i));

interface Expected {
  per_class: number[];
  three: { label: number; sha256: string }[];
}
const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Record<
  string,
  { tool: string; splits: { train: Expected; val: Expected } }
>;

test.each(Object.keys(expected))('%s: every image, its class and its bytes', async (name) => {
  cpSync(fixture(name), tree.root, { recursive: true });
  const { train, test, classes } = await open();
  for (const [set, { per_class, three }] of [
    [train!, expected[name]!.splits.train],
    [test, expected[name]!.splits.val],
  ] as const) {
    const found = new Map<string, number>();
    for (let i = 0; i < set.count; i++)
      found.set(
        createHash('sha256')
          .update(await bytesOf(set, i))
          .digest('hex'),
        set.labels[i]!,
      );
    expect(Array.from({ length: classes }, (_, c) => set.labels.filter((label) => label === c).length)).toEqual(
      per_class,
    );
    expect(three.map(({ sha256 }) => found.get(sha256))).toEqual(three.map(({ label }) => label));
  }
  expect(await verify()).toMatchObject(inOrder);
  const packed = await pack(tree.root, tree.at('out'));
  expect(packed.bad).toEqual([]);
  expect((await open('out')).train!.count).toBe(train!.count);
});

test('what a Mac leaves in a shard is passed by, and extensions may be capitals', async () => {
  for (const name of ['dotfiles', 'upper-case-cls']) {
    for (const split of ['train', 'val']) cpSync(fixture(`${name}.tar`), tree.at(name, `${split}-000000.tar`));
    expect(await open(name)).toMatchObject({ classes: 1, train: { count: 1 }, test: { count: 1 }, unread: [] });
    expect(await verify(name)).toMatchObject(inOrder);
  }
  const image = await jpeg(1);
  await shards([
    ['__meta__/a.jpg', image],
    ['__MACOSX/a/._b.jpg', 'x'],
    ['a/.hidden.jpg', image],
    ['a/b.jpg', image],
    ['a/b.cls', '0'],
  ]);
  expect(names((await open()).train!)).toEqual(['train-000000.tar:a/b']);
  expect(await verify()).toMatchObject(inOrder);
});

test('samples: the key ends at the first dot, the kind is the last extension', async () => {
  const image = await jpeg(1);
  const png = await picture(2).png().toBuffer();
  await shards([
    ['n01_v2.0.cls', '0'],
    ['n01_v2.0.jpg', image],
    ['n01_v2.1.cls', '1'],
    ['n01_v2.1.png', png],
    ['b.img.jpg', image],
    ['b.target.cls', '2'],
    ['c.seg.png', png],
    ['c.jpg', image],
    ['c.json', '{"label": 1, "caption": "très"}'],
  ]);
  const { train, unread } = await open();
  expect(names(train!)).toEqual(['n01_v2.0', 'n01_v2.1', 'b.img', 'c'].map((key) => `train-000000.tar:${key}`));
  expect([...train!.labels]).toEqual([0, 1, 2, 1]);
  expect([...train!.others!]).toEqual([1]);
  expect(unread).toEqual([]);
  expect(await verify()).toMatchObject({ ...inOrder, notes: expect.arrayContaining([expect.stringMatching(/a PNG/)]) });
});

test('what shards hold beside their samples is counted and named', async () => {
  const image = await jpeg(1);
  await shards([
    ['a.jpg', image],
    ['a.cls', '0'],
    ['a.txt', 'of a'],
    ['b.jpg', image],
    ['c.gif', 'GIF'],
    ['c.cls', '0'],
    ['README', 'x'],
  ]);
  const { train, unread } = await open();
  expect(train!.count).toBe(1);
  expect(unread.slice(0, 2)).toEqual([
    { file: 'train-000000.tar:b.jpg', reason: 'no class beside it (b.cls)' },
    { file: 'train-000000.tar:c.gif', reason: 'an image of a kind that is not read (.gif)' },
  ]);
  const { problems, notRead, notes } = await verify();
  expect(problems).toEqual([]);
  expect(notRead.join()).toMatch(/^4 images are not read \(train-000000\.tar:b\.jpg: no class.*val-000000\.tar:c\.gif/);
  expect(notes.join()).toMatch(/4 files are not images and are not read: 2 \.cls, 2 with no extension/);
  const { bad, manifest } = await pack(tree.root, tree.at('out'));
  expect([bad.length, manifest.splits.train!.bad]).toEqual([4, 2]);
  expect(readFileSync(tree.at('out/bad.txt'), 'utf8')).toContain('train-000000.tar:b.jpg\tno class beside it');
});

test('folders in class folders are read in the order of os.walk', async () => {
  await fillTree(tree, CLASSES.slice(0, 1), 1);
  const files = ['z.JPEG', 'a-b/1.JPEG', 'a/2.JPEG', 'a/1.JPEG', 'a/x/1.JPEG'];
  for (const file of files) tree.place(`train/n01440764/${file}`, await jpeg(1));
  tree.place('elsewhere/q.png', await picture(1).png().toBuffer());
  symlinkSync(tree.at('elsewhere'), tree.at('train/n01440764/linked'));
  symlinkSync(tree.at('train'), tree.at('train/n01440764/a/x/loop'));
  const order = ['n01440764_0.JPEG', 'z.JPEG', 'a/1.JPEG', 'a/2.JPEG', 'a-b/1.JPEG', 'a/x/1.JPEG'];
  const found = names((await open()).train!);
  expect(found.slice(0, 6)).toEqual(order.map((name) => `train/n01440764/${name}`));
  expect(found).toContain('train/n01440764/linked/q.png');
  const folder = await openDataset({ dataset: 'folder', data: tree.root, cacheDir: tree.at('cache') });
  expect(folder.train.count).toBe(found.length);
});

test('Tiny ImageNet as it unpacks: every image in a sub-folder, a list of boxes beside them', async () => {
  for (const split of ['train', 'val'])
    for (const name of CLASSES) tree.place(`${split}/${name}/images/${name}_0.JPEG`, await jpeg(3, 64, 64));
  tree.place('train/n01440764/n01440764_boxes.txt', 'n01440764_0.JPEG\t0\t0\t9\t9\n');
  const report = await verify();
  expect(report).toMatchObject({ ...inOrder, train: { perClass: [1, 1, 1] } });
  expect(report.notes.join()).toMatch(/1 files are not images and are not read: 1 \.txt/);
});

test('labels that are numbers of a larger list are refused, and packing numbers them anew', async () => {
  const image = await jpeg(1);
  const three = (label: (i: number) => number) =>
    CLASSES.flatMap((name, i): [string, Buffer | string][] => [
      [`${name}.cls`, String(label(i))],
      [`${name}.jpg`, image],
    ]);
  await shards(
    three((i) => 10_985 + 7 * i),
    'many',
  );
  await shards(
    three((i) => 1_440_764 + i * 22_043),
    'wnid',
  );
  await shards(
    three((i) => i + 1),
    'one',
  );
  await expect(open('many')).rejects.toMatchObject({
    code: 'ERR_DATASET',
    message: expect.stringMatching(
      /images of only 3 of the classes 0 to 10999.*from 0 to 2; "earlybird data pack .* OUT"/,
    ),
  });
  await expect(open('wnid')).rejects.toMatchObject({ code: 'ERR_DATASET' });
  expect(await open('one')).toMatchObject({ classes: 4, emptyClasses: '3 of 4 classes have images' });
  await pack(tree.at('many'), tree.at('out'));
  expect(await open('out')).toMatchObject({ classNames: ['10985', '10992', '10999'], emptyClasses: null });
});

test('shards beside class folders are said, and images are not packed among themselves', async () => {
  await fillTree(tree, CLASSES, 2);
  expect((await open()).where).toBe('in class folders');
  for (const to of ['', 'train/n01440764/shards'])
    await expect(pack(tree.root, tree.at(to))).rejects.toMatchObject({ code: 'ERR_USAGE' });
  expect(existsSync(tree.at('train/n01440764/shards'))).toBe(false);
  const image = await jpeg(1);
  await shards([
    ['a.jpg', image],
    ['a.cls', '0'],
  ]);
  expect((await open()).where).toBe('in 2 shards (the class folders beside them are not read)');
  expect((await verify()).notes[0]).toBe('read in 2 shards (the class folders beside them are not read)');
  expect((await pack(tree.root, tree.at('out'))).where).toBe('in class folders (2 shards beside them are not read)');
});

test.each([
  ['.xz', 'fd377a585a000004', 'an'],
  ['.zip', '504b030414000000', 'a'],
  ['.7z', '377abcaf271c0004', 'a'],
  ['.rar', '526172211a070100', 'an'],
  ['.bz2', '425a683931415926', 'a'],
  ['.zst', '28b52ffd04580000', 'a'],
])('an archive of the kind %s is not called damaged', async (kind, start, article) => {
  const bytes = Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(1000, 7)]);
  const data = tree.place(`cifar${kind}`, bytes);
  const title = new RegExp(`is ${article} \\${kind} archive, .*unpack it first`);
  const message = expect.stringMatching(title);
  await expect(openDataset({ dataset: 'cifar10', data })).rejects.toMatchObject({ code: 'ERR_DATASET', message });
  for (const split of ['train', 'val']) tree.place(`${split}-000000.tar`, bytes);
  await expect(open()).rejects.toMatchObject({ code: 'ERR_DATASET', message });
  tree.place(`part/images.tar${kind}`, bytes);
  await expect(open('part')).rejects.toMatchObject({
    message: expect.stringMatching(/images\.tar\S+ is a compressed/),
  });
});

test('other photographs are not CIFAR, and one part of a data set is not the whole', async () => {
  const cacheDir = tree.at('cache');
  const cifar10 = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
  const sets = { right: cifar10, other: Array.from({ length: 10 }, (_, i) => `n0144076${i}`) };
  for (const [set, classes] of Object.entries(sets))
    for (const name of classes)
      for (const split of ['train', 'test']) tree.place(`${set}/${split}/${name}/0.jpg`, await jpeg(1, 32, 32));
  const cifar = (folder: string, more = {}) =>
    openDataset({ dataset: 'cifar10', data: tree.at(folder), cacheDir, ...more });
  await expect(cifar('other')).rejects.toMatchObject({
    code: 'ERR_DATASET',
    message: expect.stringMatching(/\(n01440760, .*\) are not those of CIFAR-10 .*--dataset folder/),
  });
  const decoded = jest.fn();
  expect((await cifar('right', { onProgress: decoded })).classNames).toEqual(cifar10);
  expect(decoded).toHaveBeenCalled();
  const kept = jest.fn();
  await cifar('right', { onProgress: kept });
  expect(kept).not.toHaveBeenCalled();
  const parent = expect.stringMatching(/is one part of a data set: give --data its parent/);
  await expect(cifar('right/train')).rejects.toMatchObject({ message: parent });
  await expect(open('right/train')).rejects.toMatchObject({ message: parent });
  await expect(openDataset({ dataset: 'folder', data: tree.at('right/test'), cacheDir })).rejects.toMatchObject({
    message: parent,
  });
});

test('a stored index that lost an image does not hide it from verify', async () => {
  const image = await jpeg(1);
  await shards([
    ['a.jpg', image],
    ['a.cls', '0'],
    ['b.jpg', image],
    ['b.cls', '0'],
  ]);
  await open();
  const place = tree.at('train-000000.tar.idx.json');
  const stored = JSON.parse(readFileSync(place, 'utf8'));
  for (const list of ['keys', 'offsets', 'lengths', 'labels']) stored.index[list].pop();
  writeFileSync(place, JSON.stringify(stored));
  expect((await verify()).notRead).toEqual([
    expect.stringMatching(/^1 images are not read \(train-000000\.tar:b\.jpg/),
  ]);
});
