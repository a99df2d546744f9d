import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { type ImagenetOptions, openImagenet, resizeFor } from '../../src/data/imagenet';
import { bytesOf, inParallel, NameTable, pickListing } from '../../src/data/listing';
import { openDataset } from '../../src/data/open';
import { verifyDataset } from '../../src/data/verify/verify';
import { fillTree, jpeg, makeTree, type Tree } from '../support/image-tree';

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

const CLASSES = ['n01440764', 'n01443537', 'n02002724'];
const open = (more: Partial<ImagenetOptions> = {}) => openImagenet({ data: tree.root, ...more });
const fails = (pattern: RegExp, more: Partial<ImagenetOptions> = {}, code = 'ERR_DATASET') =>
  expect(open(more)).rejects.toMatchObject({ code, message: expect.stringMatching(pattern) });

test('class folders become a listing in the order of ImageFolder', async () => {
  await fillTree(tree, CLASSES, 2);
  tree.place('train/n01443537/z.png', 'listed by its name alone');
  tree.place('train/n01443537/notes.txt', 'not an image');
  tree.place('train/n01443537/._x.JPEG', 'left by a file manager');
  tree.place('train/.cache/x.JPEG', 'hidden');
  const { train, test, ...set } = await open();
  expect(set).toMatchObject({ name: 'imagenet', classes: 3, classNames: CLASSES, height: 224, width: 224 });
  expect([...train!.labels]).toEqual([0, 0, 1, 1, 1, 2, 2]);
  expect([...train!.file]).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect([...train!.lengths]).toEqual([-1, -1, -1, -1, -1, -1, -1]);
  expect(train!.files[4]).toBe(tree.at('train/n01443537/z.png'));
  expect([4, 0, 6].map((i) => train!.nameOf(i))).toEqual([
    'train/n01443537/z.png',
    'train/n01440764/n01440764_0.JPEG',
    'train/n02002724/n02002724_1.JPEG',
  ]);
  expect([...test.labels]).toEqual([0, 1, 2]);
});

test('a synset list beside a part of ImageNet keeps the labels of the whole', async () => {
  await fillTree(tree, [CLASSES[2]!, CLASSES[0]!], 1);
  tree.place('LOC_synset_mapping.txt', 'n02002724 black stork\nn01440764 tench\nn01443537 goldfish, Carassius\n');
  const set = await open();
  expect(set.classNames).toEqual(CLASSES);
  expect([...set.train!.labels]).toEqual([0, 2]);
  mkdirSync(tree.at('val/n09999999'));
  await fails(/val has 1 class folders \(n09999999\) that LOC_synset_mapping\.txt lacks/);
});

test('the test set alone needs no train/', async () => {
  await fillTree(tree, CLASSES, 1);
  rmSync(tree.at('train'), { recursive: true });
  const set = await open({ train: false });
  expect([set.train, set.test.count, set.classes]).toEqual([null, 3, 3]);
  await fails(/There is no folder .*train with <wnid>/);
});

test('test/ takes the place of a val/ that is not there', async () => {
  await fillTree(tree, CLASSES, 1);
  renameSync(tree.at('val'), tree.at('test'));
  tree.place('test/n01443537/x.gif', 'GIF');
  tree.place('test/n01443537/list.txt', 'x');
  const whole = await open();
  expect([whole.test.nameOf(0), whole.unread.length]).toEqual(['test/n01440764/ILSVRC2012_val_0.JPEG', 1]);
  const { problems, notRead, notes } = await verifyDataset({ dataset: 'imagenet', data: tree.root });
  expect([problems, notRead]).toEqual([
    [],
    [expect.stringMatching(/^1 images are not read \(test\/n01443537\/x\.gif: /)],
  ]);
  expect(notes.join()).toMatch(/1 files are not images and are not read: 1 \.txt/);
  rmSync(tree.at('train'), { recursive: true });
  expect((await open({ train: false })).classNames).toEqual(CLASSES);
  tree.place('val/n01440764/x.JPEG', await jpeg(1));
  expect((await open({ train: false })).test.nameOf(0)).toBe('val/n01440764/x.JPEG');
});

test('a folder that cannot be read is not called missing', async () => {
  await fillTree(tree, CLASSES, 1);
  rmSync(tree.at('val'), { recursive: true });
  symlinkSync('val', tree.at('val')); // a link to itself
  await fails(/val cannot be read: the system reports ELOOP/, {}, 'ERR_FILE');
});

test('verify counts a missing image, and ends where a disk fails', async () => {
  await fillTree(tree, CLASSES, 1);
  const verify = () => verifyDataset({ dataset: 'imagenet', data: tree.root });
  symlinkSync(tree.at('nowhere'), tree.at('val/n01440764/gone.JPEG'));
  expect((await verify()).problems).toEqual([expect.stringMatching(/^1 of 4 images .*gone\.JPEG: .* no such file/)]);
  symlinkSync('loop.JPEG', tree.at('val/n01440764/loop.JPEG'));
  await expect(verify()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(/loop\.JPEG cannot be read: the system reports ELOOP/),
  });
});

test('a flat val/ is explained, with the list that was found', async () => {
  await fillTree(tree, CLASSES, 1);
  rmSync(tree.at('val'), { recursive: true });
  tree.place('val/ILSVRC2012_val_00000001.JPEG', await jpeg(1));
  await fails(/val holds 1 images without class folders.*development kit or Kaggle's.*earlybird data pack/);
  tree.place('synsets.txt', CLASSES.join('\n'));
  await fails(/into val\/<wnid>\/ by the ground truth.*\(synsets\.txt, found beside it, names the classes but not/);
  tree.place('LOC_val_solution.csv', 'ImageId,PredictionString\n');
  await fails(/move each into val\/<wnid>\/ by LOC_val_solution\.csv and synsets\.txt, found beside it;/);
  rmSync(tree.at('train'), { recursive: true });
  rmSync(tree.at('synsets.txt'));
  await fails(/val holds 1 images without class folders/, { train: false });
});

test('folders that do not fit are refused with a reason', async () => {
  await fails(/needs --data/, { data: undefined }, 'ERR_USAGE');
  await fails(/image size is 16/, { imageSize: 16 }, 'ERR_USAGE');
  await fails(/holds neither train\/<wnid>\/ and val/);
  await fails(/nowhere holds neither/, { data: tree.at('nowhere') });
  await fillTree(tree, CLASSES, 1);
  mkdirSync(tree.at('train/n00000001'));
  await fails(/n00000001 holds no image/);
  rmSync(tree.at('train/n00000001'), { recursive: true });
  tree.place('val/n00000001/x.JPEG', 'x');
  await fails(/val has 1 class folders \(n00000001\) that .*train lacks/);
  await expect(openDataset({ dataset: 'imagenet', data: tree.root })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('links to class folders are followed', async () => {
  await fillTree(tree, CLASSES, 1);
  cpSync(tree.at('train/n01440764'), tree.at('elsewhere'), { recursive: true });
  rmSync(tree.at('train/n01440764'), { recursive: true });
  symlinkSync(tree.at('elsewhere'), tree.at('train/n01440764'));
  expect((await open()).train!.count).toBe(3);
});

test('limits keep class proportions, and the fingerprint says what is left', async () => {
  await fillTree(tree, CLASSES, 4);
  const [all, some, again] = [await open(), await open({ limitTrain: 6 }), await open({ limitTrain: 6 })];
  expect([...some.train!.labels]).toEqual([0, 0, 1, 1, 2, 2]);
  expect(some.train!.files).toHaveLength(6);
  expect(some.train!.files[3]).toMatch(new RegExp(`${some.train!.nameOf(3)}$`));
  expect(some.fingerprint).toBe(again.fingerprint);
  expect(some.fingerprint).not.toBe(all.fingerprint);
  await fails(/--limit-test is 0/, { limitTest: 0 }, 'ERR_USAGE');
  tree.place('train/n01440764/new.JPEG', 'x');
  expect((await open()).fingerprint).not.toBe(all.fingerprint);
});

test('verify decodes every image and counts what it cannot', async () => {
  await fillTree(tree, CLASSES, 1);
  const verify = () => verifyDataset({ dataset: 'imagenet', data: tree.root });
  expect(await verify()).toMatchObject({ problems: [], train: { images: 3, perClass: [1, 1, 1] }, path: tree.root });
  tree.place('val/n01440764/cut.JPEG', (await jpeg(1, 64, 64)).subarray(0, 400));
  expect((await verify()).problems).toEqual([expect.stringMatching(/^1 of 4 images .*val\/n01440764\/cut\.JPEG: /)]);
  rmSync(tree.at('val'), { recursive: true });
  expect((await verify()).problems).toEqual([expect.stringContaining('There is no folder')]);
});

test('names are found in any order, past empty groups', () => {
  const table = new NameTable();
  table.add('a/', ['1', '2']);
  table.add('b/', []);
  table.add('c/', ['3']);
  expect([2, 0, 1, 2, 1].map((i) => table.at(i))).toEqual(['c/3', 'a/1', 'a/2', 'c/3', 'a/2']);
});

test('of several items that fail, the first one is told, whichever failed sooner', async () => {
  const started: number[] = [];
  const work = async (item: number) => {
    started.push(item);
    if (item === 1) await new Promise((resolve) => setTimeout(resolve, 20));
    if (item > 0) throw new Error(`item ${item}`);
    return item;
  };
  await expect(inParallel([0, 1, 2, 3, 4, 5], 3, work)).rejects.toThrow('item 1');
  expect(started).not.toContain(5);
  expect(await inParallel([3, 2, 1], 2, async (item) => item * 2)).toEqual([6, 4, 2]);
});

test('an image that lies beyond the end of its file is told, with its place', async () => {
  const file = tree.place('short.tar', '0123456789');
  const listing = {
    files: [file],
    file: Int32Array.of(0, 0),
    offsets: Float64Array.of(2, 6),
    lengths: Float64Array.of(4, 8),
    labels: Int32Array.of(0, 0),
    count: 2,
    nameOf: (i: number) => `${i}`,
  };
  expect((await bytesOf(listing, 0)).toString()).toBe('2345');
  await expect(bytesOf(listing, 1)).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(/short\.tar cannot be read beyond byte 10, within the image at byte 6:/),
  });
});

test('picking keeps only the files that are needed', () => {
  const listing = {
    files: ['x', 'y', 'z'],
    file: Int32Array.of(0, 1, 2, 2),
    offsets: Float64Array.of(0, 1, 2, 3),
    lengths: Float64Array.of(9, 8, 7, 6),
    labels: Int32Array.of(0, 1, 0, 1),
    count: 4,
    nameOf: (i: number) => `n${i}`,
    keyOf: (i: number) => `k${i}`,
  };
  const picked = pickListing(listing, Int32Array.of(1, 3));
  expect(picked.keyOf!(1)).toBe('k3');
  expect(picked).toMatchObject({ files: ['y', 'z'], count: 2 });
  expect([[...picked.file], [...picked.offsets], [...picked.lengths], picked.nameOf(1)]).toEqual([
    [0, 1],
    [1, 3],
    [8, 6],
    'n3',
  ]);
  expect(resizeFor(224)).toBe(256);
});
