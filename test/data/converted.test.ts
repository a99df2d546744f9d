/** Images that go into the cache: what is not there, what fails, and what is removed. */
import { readdirSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { convertOthers } from '../../src/data/converted';
import { reasonOf } from '../../src/data/decode';
import { openImagenet } from '../../src/data/imagenet';
import { bytesOf, type ImageListing } from '../../src/data/listing';
import { jpeg, makeTree, picture, type Tree } from '../support/image-tree';

let tree: Tree;
beforeEach(async () => {
  tree = makeTree();
  tree.place('val/a/0.JPEG', await jpeg(1));
});
afterEach(() => tree.remove());

const png = () => picture(2).png().toBuffer();
const training = async (): Promise<ImageListing> => (await openImagenet({ data: tree.root })).train!;
const convert = async () => convertOthers(await training(), { cacheDir: tree.at('cache') });
const cached = () => readdirSync(tree.at('cache/images')).sort();
const fileOf = ({ files, file }: ImageListing, index: number) => files[file[index]!];

test('an image without a file is a bad image, and is read once its file is there', async () => {
  tree.place('train/a/0.png', await png());
  symlinkSync(tree.at('elsewhere.png'), tree.at('train/a/1.png'));
  symlinkSync(tree.at('val'), tree.at('train/a/2.png'));
  const before = await convert();
  expect([0, 1, 2].map((i) => fileOf(before, i))).toEqual([
    expect.stringMatching(/decoded-\w+\.ppm$/),
    tree.at('train/a/1.png'),
    tree.at('train/a/2.png'),
  ]);
  tree.place('elsewhere.png', await png());
  const after = await convert();
  expect(await bytesOf(after, 1)).toEqual(await bytesOf(after, 0));
});

test('a file that cannot be read ends the run', async () => {
  tree.place('train/a/0.png', await png());
  symlinkSync('1.png', tree.at('train/a/1.png')); // a link to itself
  await expect(convert()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(/train\/a\/1\.png cannot be read: the system reports ELOOP/),
  });
});

test('where memory runs out, no image is kept as a bad one', async () => {
  tree.place('train/a/0.png', await png());
  const concat = jest.spyOn(Buffer, 'concat').mockImplementationOnce(() => {
    throw new RangeError('Array buffer allocation failed');
  });
  await expect(convert()).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
  concat.mockRestore();
  expect(cached()).toEqual([]);
  expect(fileOf(await convert(), 0)).toMatch(/\.ppm$/);
  for (const said of ['vips_tracked: out of memory --- size == 48MB', 'VipsJpeg: Insufficient memory (case 4)'])
    expect(() => reasonOf(new Error(said))).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
  expect(reasonOf(new Error('Input buffer has corrupt header: premature end'))).toBe('premature end');
});

test('images of the cache that nobody uses are removed after a month, and what a kill left after a day', async () => {
  tree.place('train/a/0.png', await png());
  const aged = (name: string, days: number) => {
    const time = new Date(Date.now() - days * 86_400_000);
    utimesSync(tree.at('cache/images', name), time, time);
  };
  const names = { 'decoded-0.ppm': 40, 'decoded-0.ppm.json': 31, '.decoded-2.ppm.tmp-1-1': 2, 'decoded-3.ppm': 40 };
  const kept = { 'decoded-1.ppm': 40, 'decoded-1.ppm.json': 29, '.decoded-2.ppm.tmp-1-2': 0.5, 'set-8.bin': 99 };
  for (const [name, days] of Object.entries({ ...names, ...kept })) {
    tree.place(`cache/images/${name}`, '');
    aged(name, days);
  }
  await convert();
  const [own, index] = cached().filter((name) => /^decoded-\w{16}/.test(name));
  expect(cached()).toEqual([...Object.keys(kept), own, index].sort());
  aged(index!, 29);
  await convert();
  expect(Date.now() - statSync(tree.at('cache/images', index!)).mtimeMs).toBeLessThan(86_400_000);
});
