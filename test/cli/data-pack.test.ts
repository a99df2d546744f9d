/** `earlybird data pack` as a person runs it: exit codes, output, and an interruption. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fillTree, jpeg, makeTree, picture } from '../support/image-tree';
import { cli, succeed, trained } from './run-cli';

const tree = makeTree();
afterAll(() => tree.remove());
const packTo = (to: string, ...more: string[]) => ['data', 'pack', tree.at('in'), tree.at(to), ...more];

beforeAll(async () => {
  await fillTree({ ...tree, place: (file, bytes) => tree.place(`in/${file}`, bytes) }, ['n1', 'n2'], 3);
});

test('packs, says so, and does not do it twice', async () => {
  const { stdout } = await succeed(packTo('out', '--shard-size', '4'));
  expect(stdout).toMatch(
    /^packed into .*out, 2 classes, read in class folders\ntrain: 6 images in 2 shards, .* MB\nval: 2 images in 1 shards/,
  );
  const again = JSON.parse((await succeed(packTo('out', '--shard-size', '4', '--json'))).stdout);
  expect(again).toMatchObject({ packed: false, bad: [], splits: { train: { images: 6 } } });
  expect((await succeed(['data', 'verify', 'imagenet', '--data', tree.at('out')])).stdout).toMatch(/^OK$/m);
});

test('bad images make the exit code 1 unless they are allowed', async () => {
  tree.place('in/val/n1/broken.JPEG', 'no image');
  const { status, stdout } = await cli(packTo('bad', '--split', 'val')).done;
  expect([status, stdout]).toEqual([1, expect.stringMatching(/^ {2}val\/n1\/broken\.JPEG: /m)]);
  expect(existsSync(tree.at('bad/val-000000.tar'))).toBe(true);
  const again = await succeed(packTo('bad', '--split', 'val', '--max-bad', '1'));
  expect(again.stdout).toMatch(
    /bad holds these shards, finished\n.*1 images are not read and were left out.*empty .*bad and pack again/s,
  );
});

trained('verify decodes as the training loader does', async () => {
  const { place } = tree;
  place('mixed/train/n1/good.JPEG', await jpeg(1));
  place('mixed/train/n1/png.JPEG', await picture(2).png().toBuffer());
  place('mixed/val/n1/good.JPEG', await jpeg(3));
  const { status, stdout } = await cli(['data', 'verify', 'imagenet', '--data', tree.at('mixed')]).done;
  const said = /^NOT READ: 1 of 2 images .* left out \(train\/n1\/png\.JPEG: a PNG by another name\)/m;
  expect([status, stdout]).toEqual([1, expect.stringMatching(said)]);
});

trained('a cache is made, verified and timed like shards, and a damaged byte in it is named', async () => {
  const args = packTo('cache', '--cache', 'yuv', '--split', 'train', '--json');
  const { options, splits } = JSON.parse((await succeed(args)).stdout);
  expect([options.cache, splits.train.images]).toEqual(['yuv', 6]);
  const shard = tree.at('cache/train-000000.tar');
  writeFileSync(tree.at('cache/val-000000.tar'), readFileSync(shard));
  const manifest = tree.at('cache/manifest.json');
  const { train } = splits;
  const both = { train, val: { ...train, shards: [{ ...train.shards[0], file: 'val-000000.tar' }] } };
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), splits: both }));
  const verify = ['data', 'verify', 'imagenet', '--data', tree.at('cache')];
  expect((await succeed(verify)).stdout).toMatch(
    /^read in 2 shards\n6 images of the test set are in the training set .*\nOK$/m,
  );
  const timed = [
    'bench',
    'loader',
    '--data',
    tree.at('cache'),
    '--single',
    '--passes',
    '1',
    '--image-size',
    '32',
    '--json',
  ];
  expect(JSON.parse((await succeed(timed)).stdout)).toMatchObject({ files: 6, bad: 0 });
  const bytes = readFileSync(shard);
  const image = bytes.indexOf('EBYUV 1\n');
  bytes[image + 150]! ^= 1;
  writeFileSync(shard, bytes);
  const { status, stdout } = await cli(verify).done;
  expect([status, stdout]).toEqual([1, expect.stringMatching(/sha256 of .*train-000000\.tar/)]);
  expect(stdout).toMatch(
    /1 of 6 images cannot be decoded .*\(train-000000\.tar:n\d\/n\d_\d: corrupt: its checksum is another\)/,
  );
  expect(JSON.parse((await succeed(timed)).stdout)).toMatchObject({ files: 6, bad: 1 });
});

test('wrong flags are refused with one sentence', async () => {
  for (const flags of [
    ['--split', 'test'],
    ['--quality', '0'],
    ['--short-side', '64', '--max-side', '64'],
  ]) {
    const { status, stderr } = await cli(packTo('never', ...flags)).done;
    expect([flags, status, stderr]).toEqual([
      flags,
      2,
      expect.stringMatching(/^earlybird: [^\n]+ \[ERR_(USAGE|RECIPE)\]\n$/),
    ]);
  }
});

test('an interruption ends cleanly, and the same command goes on', async () => {
  const large = await jpeg(1, 900, 700);
  for (let i = 0; i < 40; i++) tree.place(`in/train/n1/large_${i}.JPEG`, large);
  const args = packTo('cut', '--split', 'train', '--shard-size', '5', '--short-side', '400');
  const { child, done } = cli(args);
  while (!existsSync(tree.at('cut')) || !readdirSync(tree.at('cut')).some((name) => name.endsWith('.tar')))
    await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGINT');
  expect([0, 130]).toContain((await done).status);
  const { splits } = JSON.parse((await succeed([...args, '--json'])).stdout);
  expect(splits.train).toMatchObject({ images: 46, bad: 0 });
  expect(readdirSync(tree.at('cut')).filter((name) => /tmp|progress/.test(name))).toEqual([]);
});
