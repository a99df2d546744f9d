import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { openImagenet } from '../../src/data/imagenet';
import type { ImageListing } from '../../src/data/listing';
import { pack } from '../../src/data/pack/pack';
import type { JpegPacker } from '../../src/data/pack/packed';
import type { PackOptions } from '../../src/data/pack/plan';
import { verifyDataset } from '../../src/data/verify/verify';
import { EarlybirdError } from '../../src/errors';
import { fillTree, jpeg, makeTree, picture, type Tree } from '../support/image-tree';

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

const CLASSES = ['n01', 'n02', 'n03'];
const run = (to = 'out', options: PackOptions = {}) => pack(tree.at('in'), tree.at(to), { shardSize: '4', ...options });
const inner = (): Tree => ({ ...tree, place: (file, bytes) => tree.place(`in/${file}`, bytes) });
const shards = (to: string) => {
  const names = readdirSync(tree.at(to)).filter((name) => /\.tar$|manifest/.test(name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(tree.at(to, name)).toString('base64')]));
};

/** Bytes and class of every image in a listing, by its key. */
function contents(set: ImageListing): Record<string, { label: number; bytes: Buffer }> {
  const entries = Array.from({ length: set.count }, (_, i) => {
    const file = readFileSync(set.files[set.file[i]!]!);
    const bytes = file.subarray(set.offsets[i]!, set.offsets[i]! + set.lengths[i]!);
    return [set.nameOf(i).split(':')[1]!, { label: set.labels[i]!, bytes }] as const;
  });
  return Object.fromEntries(entries);
}

test('shards hold every image once, mixed, byte for byte where nothing had to change', async () => {
  await fillTree(inner(), CLASSES, 3);
  const { manifest, bad, packed } = await run();
  expect([bad, packed]).toEqual([[], true]);
  expect(manifest.classes).toEqual(CLASSES);
  expect(manifest.splits.train!.shards.map(({ images }) => images)).toEqual([4, 4, 1]);
  expect(manifest.splits).toMatchObject({ train: { images: 9, bad: 0 }, val: { images: 3, bad: 0 } });
  const { train, test, classNames } = await openImagenet({ data: tree.at('out') });
  expect(classNames).toEqual(CLASSES);
  expect([...train!.labels]).not.toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  const found = contents(train!);
  expect(Object.keys(found).sort()).toEqual(CLASSES.flatMap((c) => [0, 1, 2].map((i) => `${c}/${c}_${i}`)));
  for (const [key, { label, bytes }] of Object.entries(found)) {
    expect(CLASSES[label]).toBe(key.split('/')[0]);
    expect(bytes.equals(readFileSync(tree.at('in/train', `${key}.JPEG`)))).toBe(true);
  }
  expect(test.count).toBe(3);
  const verified = { dataset: 'imagenet', data: tree.at('out') };
  expect((await verifyDataset(verified)).problems).toEqual([]);
  const again = await run();
  expect(again).toMatchObject({ packed: false, manifest });
  await expect(run('out', { quality: 50 })).rejects.toMatchObject({ code: 'ERR_DATASET' });

  const shard = tree.at('out', 'train-000001.tar');
  const bytes = readFileSync(shard);
  bytes[3 * 512 + 300]! ^= 1; // within the first image
  writeFileSync(shard, bytes);
  expect((await verifyDataset(verified)).problems.join()).toMatch(/sha256 of .*train-000001\.tar/);
});

test('images become smaller, never larger, and plain JPEG whatever they were', async () => {
  const { place } = inner();
  place('train/n01/large.JPEG', await jpeg(1, 100, 60));
  place('train/n01/small.JPEG', await jpeg(2, 30, 20));
  place('train/n01/png.JPEG', await picture(3, 30, 20).png().toBuffer());
  place('train/n01/cmyk.JPEG', await picture(4, 30, 20).toColourspace('cmyk').jpeg().toBuffer());
  place('train/n01/grey.JPEG', await picture(5, 100, 60).toColourspace('b-w').jpeg().toBuffer());
  place('train/n01/progressive.JPEG', await picture(6, 30, 20).jpeg({ progressive: true }).toBuffer());
  place('train/n01/dot.ted.JPEG', await jpeg(7, 30, 20));
  place('train/n01/dot_ted.JPEG', await jpeg(8, 30, 20));
  const details = async (to: string, options: PackOptions) => {
    await run(to, { splits: ['train'], shardSize: '100', ...options });
    writeFileSync(tree.at(to, 'val-000000.tar'), readFileSync(tree.at(to, 'train-000000.tar')));
    const { train } = await openImagenet({ data: tree.at(to) });
    const found = Object.entries(contents(train!)).map(async ([key, { bytes }]) => {
      const { format, width, height, space, isProgressive } = await sharp(bytes).metadata();
      return [key.slice(4), [format, isProgressive, space, `${width}x${height}`].join(' ')];
    });
    return Object.fromEntries(await Promise.all(found));
  };
  const small = 'jpeg false srgb 30x20';
  const rest = { png: small, cmyk: small, progressive: small, small, dot_ted: small, dot_ted_: small };
  expect(await details('short', { shortSide: 30 })).toEqual({
    ...rest,
    large: 'jpeg false srgb 50x30',
    grey: 'jpeg false b-w 50x30',
  });
  expect(await details('max', { maxSide: 50 })).toEqual({
    ...rest,
    large: 'jpeg false srgb 50x30',
    grey: 'jpeg false b-w 50x30',
  });
});

test('images that do not decode are left out and listed', async () => {
  await fillTree(inner(), CLASSES, 2);
  const { place } = inner();
  place('train/n01/cut.JPEG', (await jpeg(1, 64, 64)).subarray(0, 500));
  place('train/n02/text.JPEG', 'no image');
  place('val/n02/empty.JPEG', '');
  const { bad, manifest } = await run();
  expect(bad.map(({ file }) => file).sort()).toEqual([
    'train/n01/cut.JPEG',
    'train/n02/text.JPEG',
    'val/n02/empty.JPEG',
  ]);
  expect(manifest.splits).toMatchObject({ train: { images: 6, bad: 2 }, val: { images: 3, bad: 1 } });
  expect(readFileSync(tree.at('out/bad.txt'), 'utf8')).toMatch(/^train\/n0\d\/\w+\.JPEG\t.+\n/);
  expect((await run()).bad).toEqual(bad);
});

test.each(['3', '0.002MB'])('an interrupted run goes on and gives the same bytes (shards of %s)', async (size) => {
  await fillTree(inner(), CLASSES, 4);
  inner().place('train/n01/bad.JPEG', 'no image');
  await run('whole', { shardSize: size });
  for (const after of [1, 5, 8, 14]) {
    const controller = new AbortController();
    const onProgress = (done: number) => {
      if (done >= after) controller.abort(new Error('enough'));
    };
    const cut = run('out', { shardSize: size, signal: controller.signal, onProgress });
    await expect(cut).rejects.toThrow('enough');
    expect(existsSync(tree.at('out/manifest.json'))).toBe(false);
  }
  writeFileSync(tree.at('out/.train-000001.tar.tmp-4194305-2'), 'left by a kill');
  const log = tree.at('out/progress.jsonl');
  writeFileSync(log, `${readFileSync(log, 'utf8')}{"split":"tr`);
  await expect(run('out', { shardSize: '2' })).rejects.toMatchObject({ code: 'ERR_DATASET' });
  const started: number[] = [];
  const { bad } = await run('out', { shardSize: size, onProgress: (done) => started.push(done) });
  if (size === '3') expect(started[0]).toBeGreaterThan(3);
  expect(bad).toHaveLength(1);
  expect(shards('out')).toEqual(shards('whole'));
  expect(readdirSync(tree.at('out')).filter((name) => /tmp|progress/.test(name))).toEqual([]);
});

test('a folder that cannot be made is one sentence', async () => {
  await fillTree(inner(), CLASSES, 1);
  tree.place('file', 'in the way');
  await expect(run('file/out')).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining('file/out'),
  });
});

test('a shard that has gone is made again', async () => {
  await fillTree(inner(), CLASSES, 4);
  await run('whole');
  const controller = new AbortController();
  const onProgress = (done: number) => done > 9 && controller.abort(new Error('enough'));
  await expect(run('out', { signal: controller.signal, onProgress })).rejects.toThrow('enough');
  rmSync(tree.at('out/train-000000.tar'));
  await run();
  expect(shards('out')).toEqual(shards('whole'));
});

test.each([
  [{ shortSide: 32, maxSide: 32 }, /give one of them/],
  [{ shortSide: 3 }, /--short-side 3/],
  [{ quality: 101 }, /--quality 101/],
  [{ shardSize: 'big' }, /--shard-size big/],
] as [PackOptions, RegExp][])('%j is refused', async (options, message) => {
  await expect(run('out', options)).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringMatching(message),
  });
});

test('a disk that fails stops packing, and is not written down as a bad image', async () => {
  await fillTree(inner(), CLASSES, 2);
  await run('whole');
  rmSync(tree.at('in/train/n02/n02_1.JPEG'));
  symlinkSync(tree.at('in/train'), tree.at('in/train/n02/n02_1.JPEG')); // reading it fails with EISDIR
  await expect(run()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(/n02_1\.JPEG cannot be read: it is a folder/),
  });
  expect(existsSync(tree.at('out/manifest.json'))).toBe(false);
  rmSync(tree.at('in/train/n02/n02_1.JPEG'));
  inner().place('train/n02/n02_1.JPEG', await jpeg(11));
  expect((await run()).bad).toEqual([]);
  expect(shards('out')).toEqual(shards('whole'));
});

test('a line of the log that was damaged is made again, with all behind it', async () => {
  await fillTree(inner(), CLASSES, 4);
  await run('whole');
  const log = tree.at('out/progress.jsonl');
  const cut = async () => {
    const controller = new AbortController();
    const onProgress = (done: number) => done > 13 && controller.abort(new Error('enough'));
    await expect(run('out', { signal: controller.signal, onProgress })).rejects.toThrow('enough');
    return readFileSync(log, 'utf8').split('\n');
  };
  for (const damage of ['{"split":"train","fi', 'null', '{"split":"train"}']) {
    const lines = await cut();
    expect(lines.length).toBeGreaterThan(3);
    lines[2] = damage;
    writeFileSync(log, lines.join('\n'));
    await run();
    expect(shards('out')).toEqual(shards('whole'));
    rmSync(tree.at('out'), { recursive: true });
  }
});

test('shards with capitals or colons in their names are packed, and keep their keys', async () => {
  await fillTree(inner(), CLASSES, 2);
  await run('shards', { shardSize: '100' });
  for (const name of ['TRAIN-0.TAR', 'a:1-val-0.tar'])
    tree.place(
      `in2/${name}`,
      readFileSync(tree.at('shards', /val/.test(name) ? 'val-000000.tar' : 'train-000000.tar')),
    );
  const { manifest, bad } = await pack(tree.at('in2'), tree.at('out'));
  expect([bad, manifest.splits.train!.images, manifest.splits.val!.images]).toEqual([[], 6, 3]);
  const [before, after] = [
    await openImagenet({ data: tree.at('shards') }),
    await openImagenet({ data: tree.at('out') }),
  ];
  for (const set of ['train', 'test'] as const)
    expect(Object.keys(contents(after[set]!)).sort()).toEqual(Object.keys(contents(before[set]!)).sort());
  expect((await verifyDataset({ dataset: 'imagenet', data: tree.at('in2') })).notRead).toEqual([]);
});

test('a list of somebody else is not replaced where no shard lies beside it', async () => {
  await fillTree(inner(), CLASSES, 1);
  for (const [name, said] of [
    ['bad.txt', /out\/bad\.txt is not from this packing, which would replace it; choose another folder/],
    ['progress.jsonl', /out holds shards .* not by data pack/],
  ] as const) {
    const theirs = tree.place(`out/${name}`, 'my list of bad films');
    await expect(run()).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringMatching(said) });
    expect(readFileSync(theirs, 'utf8')).toBe('my list of bad films');
    rmSync(theirs);
  }
  expect((await run()).packed).toBe(true);
});

test('files that data pack did not write are never replaced', async () => {
  await fillTree(inner(), CLASSES, 1);
  const theirs = tree.place('out/train-000000.tar', 'of somebody else');
  const refused = (pattern: RegExp) =>
    expect(run()).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringMatching(pattern) });
  await refused(/out holds shards .* not by data pack; choose another folder/);
  tree.place('out/progress.jsonl', 'their log\n');
  await refused(/out holds shards .* not by data pack/);
  rmSync(tree.at('out/progress.jsonl'));
  tree.place('out/manifest.json', '{"shards": 3}');
  await refused(/manifest\.json is damaged or not from/);
  expect(readFileSync(theirs, 'utf8')).toBe('of somebody else');
  expect(readdirSync(tree.at('out')).sort()).toEqual(['manifest.json', 'train-000000.tar']);
});

test('a folder where packing was cut, or that has lost a shard, is refused until it is packed again', async () => {
  await fillTree(inner(), CLASSES, 4);
  await run('whole');
  const controller = new AbortController();
  const onProgress = (done: number) => done > 13 && controller.abort(new Error('enough'));
  await expect(run('out', { signal: controller.signal, onProgress })).rejects.toThrow('enough');
  inner().place('../out/val-000000.tar', readFileSync(tree.at('whole/val-000000.tar')));
  const open = () => openImagenet({ data: tree.at('out') });
  const refused = (pattern: RegExp) =>
    expect(open()).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringMatching(pattern) });
  await refused(/out holds only a part of its shards.*run the same data pack command again/);
  await run();
  expect((await open()).train!.count).toBe(12);

  for (const damage of [
    () => rmSync(tree.at('out/train-000001.tar')),
    () => writeFileSync(tree.at('out/train-000001.tar'), readFileSync(tree.at('out/val-000000.tar'))),
  ]) {
    damage();
    await refused(/train-000001\.tar holds (none|3) of the 4 images that manifest\.json says; run the same/);
    expect(await run()).toMatchObject({ packed: true });
    expect(shards('out')).toEqual(shards('whole'));
    expect((await run()).packed).toBe(false);
  }
  writeFileSync(tree.at('out/train-000009.tar'), readFileSync(tree.at('out/train-000000.tar')));
  await refused(/train-000009\.tar is not among the shards that manifest\.json names/);
  rmSync(tree.at('out/train-000009.tar'));
  rmSync(tree.at('out/manifest.json'));
  expect((await open()).train!.count).toBe(12);
  // Without its manifest the folder could be anybody's.
  await expect(run()).rejects.toMatchObject({ code: 'ERR_DATASET' });
});

test('temporary files of a process that lives are left alone', async () => {
  await fillTree(inner(), CLASSES, 1);
  const [living, dead] = [process.ppid, 4194305].map((pid) =>
    tree.place(`out/.train-000000.tar.tmp-${pid}-0`, 'half a shard'),
  );
  await run();
  expect([existsSync(living!), existsSync(dead!)]).toEqual([true, false]);
});

test('verify says what training would leave out', async () => {
  await fillTree(inner(), CLASSES, 1);
  inner().place('train/n01/a.JPEG', await picture(3, 30, 20).png().toBuffer());
  inner().place('manifest.json', 'of something else');
  const loader = async ({ count }: ImageListing) => (count === 4 ? [{ index: 3, reason: 'odd' }] : []);
  const { problems, notRead } = await verifyDataset({ dataset: 'imagenet', data: tree.at('in'), loader });
  expect(problems).toEqual([
    '1 of 4 images cannot be decoded and are left out in training (train/n03/n03_0.JPEG: odd).',
  ]);
  expect(notRead).toEqual([
    '1 of 4 images are sound, but of kinds that training does not decode, and are left out (train/n01/a.JPEG: a PNG by another name): "earlybird data pack" makes JPEG of those that it can read.',
  ]);
});

/**
 * A fake packer: the packed image holds nothing but its JPEG. Pictures of width 16 stay JPEG, those of widths 17 and 18
 * fail like a damaged image and like a lack of memory.
 */
const packer: JpegPacker = async (jpeg) => {
  const { width } = await sharp(jpeg).metadata();
  if (width === 16) return null;
  if (width === 17) throw new EarlybirdError('ERR_DATASET', 'corrupt.');
  if (width === 18) throw new EarlybirdError('ERR_OUT_OF_MEMORY', 'no memory.');
  const rest = Buffer.concat([Buffer.alloc(8), jpeg]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(rest));
  return Buffer.concat([Buffer.from('EBYUV 1\n'), checksum, rest]);
};
const cached = { cache: 'yuv', packer } as const;

test('a cache holds packed images, and JPEG where one cannot be packed', async () => {
  await fillTree(inner(), CLASSES, 3);
  inner().place('train/n01/null.JPEG', await jpeg(1, 16, 16));
  inner().place('train/n01/odd.JPEG', await jpeg(1, 17, 16));
  await run('jpegs');
  const { manifest, bad } = await run('out', cached);
  expect([bad, manifest.options]).toEqual([[], expect.objectContaining({ cache: 'yuv' })]);
  const [plain, packed] = [
    await openImagenet({ data: tree.at('jpegs') }),
    await openImagenet({ data: tree.at('out') }),
  ];
  const [before, after] = [contents(plain.train!), contents(packed.train!)];
  expect(Object.keys(after)).toEqual(Object.keys(before));
  expect(packed.train!.others).toHaveLength(0);
  for (const [key, { label, bytes }] of Object.entries(after)) {
    const whole = /null|odd/.test(key) ? bytes : bytes.subarray(20);
    expect([key, label, whole.equals(before[key]!.bytes)]).toEqual([key, before[key]!.label, true]);
  }
  expect((await verifyDataset({ dataset: 'imagenet', data: tree.at('out') })).problems).toEqual([]);
  expect(await run('out', cached)).toMatchObject({ packed: false, manifest });
  await expect(run('out')).rejects.toMatchObject({ code: 'ERR_DATASET' });
  await expect(run('jpegs', cached)).rejects.toMatchObject({ code: 'ERR_DATASET' });
  await expect(run('none', { cache: 'yuv' })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  await expect(pack(tree.at('out'), tree.at('twice'))).rejects.toMatchObject({
    code: 'ERR_DATASET',
    message: expect.stringContaining('holds a cache'),
  });
});

test('a cache that was interrupted goes on to the same bytes, and a lack of memory is no bad image', async () => {
  await fillTree(inner(), CLASSES, 4);
  await run('whole', cached);
  const controller = new AbortController();
  const onProgress = (done: number) => done >= 6 && controller.abort(new Error('enough'));
  await expect(run('out', { ...cached, signal: controller.signal, onProgress })).rejects.toThrow('enough');
  expect(existsSync(tree.at('out/manifest.json'))).toBe(false);
  await run('out', cached);
  expect(shards('out')).toEqual(shards('whole'));
  inner().place('train/n01/large.JPEG', await jpeg(1, 18, 16));
  await expect(run('more', cached)).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
});

test.each([
  ['a changed byte', 60, /cannot be decoded .*_\d: corrupt: its checksum is another\)/],
  ['another version', 6, /cannot be decoded .*_\d: packed by another release/],
])('%s of a packed image is found by its checksum, without a manifest as well', async (_what, place, said) => {
  await fillTree(inner(), CLASSES, 3);
  await run('out', cached);
  const { train } = await openImagenet({ data: tree.at('out') });
  const shard = train!.files[0]!;
  const bytes = readFileSync(shard);
  bytes[train!.offsets[0]! + place]! ^= 2;
  writeFileSync(shard, bytes);
  const verify = async () => (await verifyDataset({ dataset: 'imagenet', data: tree.at('out') })).problems.join('\n');
  expect(await verify()).toMatch(/sha256 of .*train-000000\.tar/);
  expect(await verify()).toMatch(said);
  rmSync(tree.at('out/manifest.json'));
  expect(await verify()).toMatch(said);
});
