/** Images as other tools write them, and what people met with them: every kind that is read, inks, damage. */
import { cpSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import sharp from 'sharp';
import { readBitmap } from '../../src/data/bitmap';
import { convertOthers } from '../../src/data/converted';
import { checkImage, isLossless } from '../../src/data/decode';
import { openImagenet } from '../../src/data/imagenet';
import { bytesOf } from '../../src/data/listing';
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

const fixture = (name: string) => path.join(__dirname, 'data', 'jpeg', `${name}.JPEG`);
const open = (folder = '') => openImagenet({ data: tree.at(folder) });
const verify = (folder = '') => verifyDataset({ dataset: 'imagenet', data: tree.at(folder), loader: loaderCheck() });

/** One picture of each kind that torchvision's ImageFolder takes. */
async function everyKind(folder: string): Promise<void> {
  const raw = await picture(5, 40, 36).raw().toBuffer();
  const ppm = Buffer.concat([Buffer.from('P6\n# by hand\n40 36\n255\n'), raw]);
  const pgm = Buffer.concat([Buffer.from('P5 40 36 255\n'), raw.subarray(0, 40 * 36)]);
  const bmp = Buffer.alloc(54 + 40 * 36 * 3);
  bmp.write('BM');
  bmp.writeUInt32LE(54, 10);
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(40, 18);
  bmp.writeInt32LE(-36, 22);
  bmp.writeUInt16LE(1, 26);
  bmp.writeUInt16LE(24, 28);
  for (let i = 0; i < raw.length; i += 3) for (let c = 0; c < 3; c++) bmp[54 + i + c] = raw[i + 2 - c]!;
  const png = await picture(5, 40, 36).png().toBuffer();
  const tiff = await picture(5, 40, 36).tiff({ compression: 'lzw' }).toBuffer();
  const webp = await picture(5, 40, 36).webp({ lossless: true }).toBuffer();
  const kinds = { bmp, jpeg: await jpeg(5, 40, 36), pgm, png, ppm, tif: tiff, tiff, webp };
  for (const [kind, bytes] of Object.entries(kinds)) tree.place(`${folder}/${kind}.${kind}`, bytes);
}

test('every kind of image that ImageFolder takes is read, packed, and decoded for training', async () => {
  for (const split of ['train', 'val']) await everyKind(`in/${split}/a`);
  tree.place('in/train/a/moving.gif', 'GIF89a');
  const { test } = await open('in');
  expect(Array.from({ length: test.count }, (_, i) => path.extname(test.nameOf(i)))).toEqual(
    ['bmp', 'jpeg', 'pgm', 'png', 'ppm', 'tif', 'tiff', 'webp'].map((kind) => `.${kind}`),
  );
  const converted = await convertOthers(test, { cacheDir: tree.at('cache') });
  const raw = await picture(5, 40, 36).raw().toBuffer();
  for (const i of [0, 3, 4, 5, 6, 7]) {
    const { data } = readBitmap(await bytesOf(converted, i))!;
    expect(data.equals(raw)).toBe(true);
  }
  expect(converted.files.slice(0, -1)).toEqual(test.files);
  const again = await convertOthers(test, { cacheDir: tree.at('cache') });
  expect(again).toEqual({ ...converted, nameOf: expect.anything() });
  expect((await loaderCheck()?.(converted, {})) ?? []).toEqual([]);
  const { problems, notRead } = await verify('in');
  expect([problems, notRead]).toEqual([[], [expect.stringMatching(/^1 images are not read \(train\/a\/moving\.gif/)]]);
  const { bad, manifest } = await pack(tree.at('in'), tree.at('out'));
  expect([bad.map(({ file }) => file), manifest.splits.train!.images]).toEqual([['train/a/moving.gif'], 8]);
  const folder = await openDataset({ dataset: 'folder', data: tree.at('in'), cacheDir: tree.at('cache') });
  expect([folder.train.count, folder.unread!.length]).toEqual([8, 1]);
});

test('pictures without compression: every form, and damage', () => {
  const rgb = (bytes: Buffer) => [...readBitmap(bytes)!.data];
  expect(rgb(Buffer.from('P3 1 2 15 15 0 3 1 2 3'))).toEqual([255, 0, 51, 17, 34, 51]);
  expect(rgb(Buffer.from('P2\n#c\n2 1\n4\n4 0'))).toEqual([255, 255, 255, 0, 0, 0]);
  expect(rgb(Buffer.from('P1 2 1 01'))).toEqual([255, 255, 255, 0, 0, 0]);
  expect(rgb(Buffer.from([...Buffer.from('P4 2 1\n'), 0x40]))).toEqual([255, 255, 255, 0, 0, 0]);
  expect(rgb(Buffer.from([...Buffer.from('P5 1 1 65535\n'), 0x80, 0x80]))).toEqual([128, 128, 128]);
  for (const text of ['P6 2 2 255\nabc', 'P6 2', 'P2 2 1 4\n4', 'P6 0 1 255\n', 'P6 999999999 999999999 255\n', 'BM'])
    expect(() => readBitmap(Buffer.from(text))).toThrow();
  // One pixel of 16 bits, whose colour masks should lie behind the header.
  const masked = Buffer.alloc(63);
  masked.write('BM');
  for (const [at, value] of [
    [10, 54],
    [14, 40],
    [18, 1],
    [22, 1],
    [30, 3],
  ] as const)
    masked.writeUInt32LE(value, at);
  masked.writeUInt16LE(16, 28);
  expect(() => readBitmap(masked)).toThrow(new Error('truncated'));
});

test('inks have the colours that Pillow gives them, packed and as a folder', async () => {
  for (const split of ['train', 'val'])
    for (const name of ['adobe', 'no_marker']) cpSync(fixture(name), tree.at(`in/${split}/a/${name}.JPEG`));
  await pack(tree.at('in'), tree.at('out'));
  const { train } = await open('out');
  const shown = [
    [10, [220, 30, 30]],
    [48, [30, 180, 60]],
    [85, [40, 60, 210]],
  ] as const;
  for (let i = 0; i < train!.count; i++) {
    const pixels = await sharp(await bytesOf(train!, i))
      .raw()
      .toBuffer();
    for (const [x, colour] of shown)
      for (let c = 0; c < 3; c++) expect(Math.abs(pixels[(30 * 96 + x) * 3 + c]! - colour[c]!)).toBeLessThanOrEqual(2);
  }
});

test('damage is judged alike by pack, verify and training', async () => {
  const whole = readFileSync(fixture('whole'));
  for (const name of ['whole', 'damaged', 'no_end']) cpSync(fixture(name), tree.at(`in/train/a/${name}.JPEG`));
  const start = whole.indexOf(Buffer.of(0xff, 0xda)) + 20;
  for (let at = start; at < whole.length - 14; at += 16)
    tree.place(`in/train/a/at${at}.JPEG`, Buffer.from(whole).fill(0x5a, at, at + 12));
  for (const cut of [1, 3, 8, 40]) tree.place(`in/train/a/cut${cut}.JPEG`, whole.subarray(0, -cut));
  cpSync(fixture('whole'), tree.at('in/val/a/whole.JPEG'));
  const { train } = await open('in');
  const judged: string[] = [];
  for (let i = 0; i < train!.count; i++)
    await checkImage(sharp, await bytesOf(train!, i)).catch(() => judged.push(train!.nameOf(i)));
  expect(judged).toContain('train/a/damaged.JPEG');
  expect(judged).not.toContain('train/a/no_end.JPEG');
  const { bad } = await pack(tree.at('in'), tree.at('out'));
  expect(bad.map(({ file }) => file).sort()).toEqual(judged.sort());
  const loader = loaderCheck();
  if (loader) expect((await loader(train!, {})).map(({ index }) => train!.nameOf(index)).sort()).toEqual(judged);
  expect((await verify('in')).problems).toEqual([expect.stringMatching(new RegExp(`^${judged.length} of `))]);
});

test('lossless JPEG is packed as plain JPEG, and never called damaged', async () => {
  await fillTree(tree, ['a'], 1);
  // One grey pixel, by hand.
  const lossless = Buffer.from(
    'ffd8ffc3000b080001000101011100ffc4001400010000000000000000000000000000000000ffda0008010100010000ff00ffd9',
    'hex',
  );
  tree.place('train/a/lossless.JPEG', lossless);
  const { problems, notRead } = await verify();
  expect(problems).toEqual([]);
  for (const lot of notRead) expect(lot).toMatch(/lossless\.JPEG: .*SOF type 0xc3.*data pack/);
  const { bad } = await pack(tree.root, tree.at('out'));
  expect(bad).toEqual([]);
  const { train } = await open('out');
  for (let i = 0; i < train!.count; i++) expect(isLossless(await bytesOf(train!, i))).toBe(false);
  expect(await verify('out')).toMatchObject({ problems: [], notRead: [] });
});
