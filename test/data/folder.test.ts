import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import sharp from 'sharp';
import { type OpenOptions, openDataset } from '../../src/data/open';
import { verifyDataset } from '../../src/data/verify/verify';

let root: string;
let cacheDir: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'eb-folder-'));
  cacheDir = path.join(root, 'cache');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const open = (more: Partial<OpenOptions> = {}) =>
  openDataset({ dataset: 'folder', data: path.join(root, 'set'), cacheDir, imageSize: 8, ...more });

function place(file: string, bytes: Buffer | string): string {
  const target = path.join(root, 'set', file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, bytes);
  return target;
}

type Background = { r: number; g: number; b: number; alpha?: number };
const plain = (background: Background, size = 8, channels: 3 | 4 = 3) =>
  sharp({ create: { width: size, height: size, channels, background } });
const RED = { r: 200, g: 10, b: 20 };

/** Two classes, one image each in train and test. */
async function smallSet(): Promise<void> {
  for (const split of ['train', 'test']) {
    place(`${split}/ant/1.png`, await plain(RED).png().toBuffer());
    place(`${split}/bee/1.png`, await plain({ r: 0, g: 0, b: 250 }).png().toBuffer());
  }
}

const cacheFile = () => path.join(cacheDir, 'images', readdirSync(path.join(cacheDir, 'images'))[0]!);
const pixel = (set: { images: Uint8Array }, image: number, size = 8) => [
  ...set.images.subarray(image * size * size * 3).subarray(0, 3),
];

test('every kind of image becomes RGB of one size', async () => {
  await smallSet();
  place('train/ant/2-grey.jpg', await plain({ r: 90, g: 90, b: 90 }).toColourspace('b-w').jpeg().toBuffer());
  place(
    'train/ant/3-alpha.png',
    await plain({ ...RED, alpha: 0.5 }, 8, 4)
      .png()
      .toBuffer(),
  );
  place('train/ant/4.webp', await plain(RED).webp({ lossless: true }).toBuffer());
  place('train/ant/5-large.PNG', await plain(RED, 31).png().toBuffer());
  place('train/ant/6-deep.png', await plain(RED).toColourspace('rgb16').png().toBuffer());
  place(
    'train/ant/7-greyalpha.png',
    await plain({ r: 90, g: 90, b: 90, alpha: 1 }, 8, 4).toColourspace('b-w').png().toBuffer(),
  );
  place('train/ant/8-cmyk.jpg', await plain({ r: 255, g: 255, b: 255 }).toColourspace('cmyk').jpeg().toBuffer());
  place('train/ant/9-palette.png', await plain(RED).png({ palette: true }).toBuffer());
  place('train/ant/notes.txt', 'not an image, and not meant to be one');
  const set = await open();
  expect(set).toMatchObject({
    name: 'folder',
    synthetic: false,
    classes: 2,
    classNames: ['ant', 'bee'],
    height: 8,
    width: 8,
  });
  expect([...set.train.labels]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  const red = [200, 10, 20];
  expect([0, 2, 3, 4, 5, 8].map((i) => pixel(set.train, i))).toEqual([red, red, red, red, red, red]);
  expect(pixel(set.train, 1)).toEqual([90, 90, 90]);
  expect(pixel(set.train, 6)).toEqual([90, 90, 90]);
  for (const value of pixel(set.train, 7)) expect(value).toBeGreaterThan(240);
  expect(pixel(set.train, 9)).toEqual([0, 0, 250]);
});

test('an image of the right size keeps its pixels, another one is cut at the centre', async () => {
  await smallSet();
  const noise = Buffer.from(Array.from({ length: 192 }, (_, i) => (i * 37) & 255));
  place(
    'test/ant/2.png',
    await sharp(noise, { raw: { width: 8, height: 8, channels: 3 } })
      .png()
      .toBuffer(),
  );
  const wide = plain(RED, 8).extend({ left: 8, right: 8, background: { r: 0, g: 255, b: 0 } });
  place('test/ant/3-wide.png', await wide.png().toBuffer());
  const { test } = await open();
  expect(Buffer.from(test.images.subarray(192, 384)).equals(noise)).toBe(true);
  expect(Buffer.from(test.images.subarray(384, 576)).equals(Buffer.from(test.images.subarray(0, 192)))).toBe(true);
});

test('broken images are counted and named', async () => {
  await smallSet();
  place('train/ant/2.jpg', (await plain(RED, 64).jpeg().toBuffer()).subarray(0, 200));
  place('train/bee/7.png', 'nonsense');
  await expect(open()).rejects.toMatchObject({
    code: 'ERR_DATASET',
    message: expect.stringMatching(
      /^2 of 6 images under .*train\/ant\/2\.jpg: .*train\/bee\/7\.png: .*repair or remove/,
    ),
  });
  expect(existsSync(path.join(cacheDir, 'images'))).toBe(false);
});

test('a file that cannot be read is not called a broken image', async () => {
  await smallSet();
  symlinkSync(path.join(root, 'set', 'test'), path.join(root, 'set', 'train', 'bee', '2.png')); // reading it fails with EISDIR
  await expect(open()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(/train\/bee\/2\.png cannot be read: it is a folder/),
  });
});

test('the cache serves, notices changes and damage, and is rebuilt', async () => {
  await smallSet();
  const decoded: number[] = [];
  const onProgress = (done: number) => decoded.push(done);
  const first = await open({ onProgress });
  expect(decoded).toEqual([4]);
  expect((await open({ onProgress })).fingerprint).toBe(first.fingerprint);
  expect(decoded).toEqual([4]);

  const whole = readFileSync(cacheFile());
  const damages = [
    (bytes: Buffer) => bytes.subarray(0, -1),
    (bytes: Buffer) => bytes.fill(1, bytes.length - 100, bytes.length - 99),
    (bytes: Buffer) => bytes.fill(0xff, 19, 23),
    (bytes: Buffer) => bytes.fill(0, 30, 40),
    () => Buffer.alloc(0),
  ];
  for (const damage of damages) {
    writeFileSync(cacheFile(), damage(Buffer.from(whole)));
    expect((await open({ onProgress })).fingerprint).toBe(first.fingerprint);
    expect(readFileSync(cacheFile()).equals(whole)).toBe(true);
  }
  expect(decoded).toHaveLength(1 + damages.length);

  const changed = place('train/ant/1.png', await plain({ r: 1, g: 2, b: 3 }).png().toBuffer());
  utimesSync(changed, 1, 1);
  const second = await open({ onProgress });
  expect(pixel(second.train, 0)).toEqual([1, 2, 3]);
  expect(decoded).toHaveLength(2 + damages.length);
  expect(readdirSync(path.join(cacheDir, 'images'))).toHaveLength(1);
});

test('a cache that cannot be written is no reason to fail', async () => {
  await smallSet();
  writeFileSync(cacheDir, 'a file where the folder should be');
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  expect((await open()).train.count).toBe(2);
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('could not be kept'));
  warned.mockRestore();
});

test('folders that do not fit are refused with a reason', async () => {
  const fails = (pattern: RegExp, more: Partial<OpenOptions> = {}) =>
    expect(open(more)).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringMatching(pattern) });
  await fails(/is not a folder with train/);
  await smallSet();
  await fails(/has 2 classes where CIFAR-10 has 10/, { dataset: 'cifar10' });
  place('test/cat/1.png', await plain(RED).png().toBuffer());
  await fails(/has classes that .* lacks \(cat\)/);
  rmSync(path.join(root, 'set', 'test', 'cat'), { recursive: true });
  mkdirSync(path.join(root, 'set', 'train', 'empty'));
  await fails(/empty holds no image/);
});

test('CIFAR as class folders is CIFAR, and val/ serves for test/', async () => {
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  for (const [i, name] of names.entries())
    for (const split of ['train', 'val'])
      place(`${split}/${name}/0.png`, await plain({ r: i, g: 0, b: 0 }, 32).png().toBuffer());
  const set = await open({ dataset: 'cifar10', imageSize: undefined });
  expect(set).toMatchObject({ name: 'cifar10', classes: 10, classNames: names, height: 32 });
  expect([...set.test.labels]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('verify looks past the cache and reports', async () => {
  await smallSet();
  await open();
  const options = { dataset: 'folder', data: path.join(root, 'set'), cacheDir, imageSize: 8 };
  expect(await verifyDataset(options)).toMatchObject({
    problems: [],
    train: { images: 2, perClass: [1, 1] },
    synthetic: false,
  });
  const file = path.join(root, 'set', 'train', 'ant', '1.png');
  const bytes = readFileSync(file);
  const { mtime, size } = require('node:fs').statSync(file);
  writeFileSync(file, Buffer.alloc(size, 1));
  utimesSync(file, mtime, mtime);
  expect((await verifyDataset(options)).problems).toEqual([expect.stringContaining('train/ant/1.png')]);
  writeFileSync(file, bytes);
});

test('stops with the reason of the signal', async () => {
  await smallSet();
  await expect(open({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error('later'));
  await expect(open({ signal: controller.signal, onProgress })).rejects.toThrow('later');
});
