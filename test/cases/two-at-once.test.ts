/** Two real processes that fill one cache, or write one folder, at the same time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { cifarFiles, writeArchive } from '../support/cifar-files';
import { fakeLibTorch, isolate } from '../support/fake-libtorch';
import { fillTree, makeTree, picture, type Tree } from '../support/image-tree';

const dist = (module: string) => JSON.stringify(join(__dirname, '..', '..', 'dist', module));

let tree: Tree;
const children: ChildProcess[] = [];
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  tree.remove();
});

/** Starts a process that loads its modules, says so, and goes on when it is told. */
function start(load: string, work: string): { child: ChildProcess; ready: Promise<unknown>; said: Promise<string> } {
  const script = `${load}
    process.stdout.write('ready\\n');
    process.stdin.once('data', async () => {
      process.stdin.destroy();
      try { process.stdout.write(String(await (${work})())); } catch (error) { process.stdout.write(error.code ?? String(error)); }
    });`;
  const env = { ...process.env, EARLYBIRD_CACHE: tree.at('cache') };
  const child = spawn(process.execPath, ['-e', script], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const output = text(child.stdout!);
  return { child, ready: once(child.stdout!, 'data'), said: output.then((all) => all.replace('ready\n', '')) };
}

/** The answers of the processes, which all begin at once. */
async function together(load: string, ...works: string[]): Promise<string[]> {
  const all = works.map((work) => start(load, work));
  await Promise.all(all.map(({ ready }) => ready));
  for (const { child } of all) child.stdin!.write('go');
  return Promise.all(all.map(({ said }) => said));
}

/** Files of the cache; temporary ones and locks must be gone. */
function cached(folder: string): string[] {
  const names = readdirSync(tree.at('cache', folder));
  expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
  return names;
}

test('decoded images of class folders: both readers have the same, and so has a third from the cache', async () => {
  await fillTree(tree, ['a', 'b'], 12);
  const load = `const { openDataset } = require(${dist('data/open.js')});`;
  const work = `async () => (await openDataset({ dataset: 'folder', data: ${JSON.stringify(tree.root)}, imageSize: 16 })).fingerprint`;
  const [first, second] = await together(load, work, work);
  expect(first).toMatch(/^[0-9a-f]{16,}$/);
  expect(second).toBe(first);
  expect(cached('images')).toHaveLength(1);
  expect(await together(load, work)).toEqual([first]);
});

const LOADED = `const { openImagenet } = require(${dist('data/imagenet.js')});
  const { convertOthers } = require(${dist('data/converted.js')});
  const { bytesOf } = require(${dist('data/listing.js')});
  const hash = require('node:crypto').createHash('sha256');`;
/** Number and hash of the training images, as the loader gets them from the cache. */
const loaded = (data: string) => `async () => {
  const { train } = await openImagenet({ data: ${JSON.stringify(data)} });
  const images = await convertOthers(train, { cacheDir: process.env.EARLYBIRD_CACHE });
  for (let i = 0; i < images.count; i++) hash.update(await bytesOf(images, i));
  return images.count + ' ' + hash.digest('hex');
}`;

test('images that are no JPEG, for the loader: both have the same bytes', async () => {
  await fillTree(tree, ['a', 'b'], 2);
  for (let i = 0; i < 12; i++) tree.place(`train/a/p${i}.png`, await picture(i).png().toBuffer());
  const work = loaded(tree.root);
  const [first, second] = await together(LOADED, work, work);
  expect(first).toMatch(/^16 [0-9a-f]{64}$/);
  expect(second).toBe(first);
  expect(cached('images').sort()).toEqual([
    expect.stringMatching(/^decoded-\w+\.ppm$/),
    expect.stringMatching(/^decoded-\w+\.ppm\.json$/),
  ]);
  expect(await together(LOADED, work)).toEqual([first]);
});

test('compressed images of a parquet file, for the loader: both have the same index and the same bytes', async () => {
  const data = tree.at('parquet');
  cpSync(join(__dirname, '..', 'fixtures', 'formats', 'pq-zstd-v2'), data, { recursive: true });
  const [first, second] = await together(LOADED, loaded(data), loaded(data));
  expect(first).toMatch(/^9 [0-9a-f]{64}$/);
  expect(second).toBe(first);
  expect(cached('images').sort()).toEqual([
    expect.stringMatching(/^decoded-\w+\.ppm$/),
    expect.stringMatching(/^decoded-\w+\.ppm\.json$/),
  ]);
  expect(readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tmp-|\.lock/.test(name))).toEqual(
    [],
  );
  expect(await together(LOADED, loaded(data))).toEqual([first]);
});

test('packing into one folder: one packs, the other is refused, and the shards are whole; then both read their index', async () => {
  await fillTree(tree, ['a', 'b'], 20);
  const load = `const { pack } = require(${dist('data/pack/pack.js')}); const { readdirSync } = require('node:fs');`;
  const work = `async () => {
    const { packed, manifest } = await pack(${JSON.stringify(tree.root)}, ${JSON.stringify(tree.at('shards'))}, { shardSize: '5' });
    return packed + ' ' + manifest.splits.train.shards.length;
  }`;
  const answers = (await together(load, work, work)).sort();
  // The later one may come when the first has ended.
  expect([
    ['ERR_BUSY', 'true 8'],
    ['false 8', 'true 8'],
  ]).toContainEqual(answers);
  expect(await together(load, work)).toEqual(['false 8']);
  expect(readdirSync(tree.at('shards')).filter((name) => /^\.|progress/.test(name))).toEqual([]);

  for (const name of readdirSync(tree.at('shards'), { recursive: true, encoding: 'utf8' }))
    expect(name).not.toMatch(/\.tmp-/);
  const look = `async () => {
    const { openImagenet } = require(${dist('data/imagenet.js')});
    return (await openImagenet({ data: ${JSON.stringify(tree.at('shards'))} })).fingerprint;
  }`;
  const [first, second] = await together('', look, look);
  expect(first).toMatch(/^[0-9a-f]{16,}$/);
  expect(second).toBe(first);
  expect(await together('', look)).toEqual([first]);
});

test('choices of kernels: what two processes measured is all there', async () => {
  const load = `const { addMeasured, readMeasured } = require(${dist('engine/kernels.js')});`;
  const work = (name: string) => `async () => {
    for (let i = 0; i < 15; i++) await addMeasured({ loaded: '2.13.0' }, { kernels: { [${JSON.stringify(name)} + i]: 'direct' }, widths: {} });
    return 'done';
  }`;
  expect(await together(load, work('a'), work('b'))).toEqual(['done', 'done']);
  const [count] = await together(load, `() => Object.keys(readMeasured({ loaded: '2.13.0' }).kernels).length`);
  expect(count).toBe('30');
  expect(cached('kernels')).toHaveLength(1);
});

test('fetching a data set: one fetches, the other is refused, and the archive is whole', async () => {
  const archive = await writeArchive(tree.at('a.tar.gz'), 'cifar-10-batches-bin', cifarFiles('cifar10', 'binary'));
  const bytes = readFileSync(archive);
  const md5 = createHash('md5').update(bytes).digest('hex');
  // Slow enough for the other one to come in between.
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 100));
    setTimeout(() => response.end(bytes.subarray(100)), 1500);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  const folder = tree.at('cache', 'cifar10');
  const load = `const { fetchDataset } = require(${dist('data/cifar/fetch.js')});`;
  const work = `async () => (await fetchDataset('cifar10', ${JSON.stringify(folder)}, ${JSON.stringify({ url, md5 })})).fetched`;
  const answers = await together(load, work, work);
  expect(answers.sort()).toEqual([`${bytes.length}`, 'ERR_BUSY']);
  expect(readdirSync(folder)).toEqual(['cifar-10-binary.tar.gz']);
  expect(await together(load, work)).toEqual(['0']);
  server.close();
});

test('fetching a LibTorch: refused while another process does, also over what that one would replace, and free once it is killed', async () => {
  const { root, fetch, libtorch } = isolate();
  fakeLibTorch(join(root, '.libtorch', 'torch'), { version: '2.12.0' });
  fakeLibTorch(tree.at('made/torch'), { version: '2.13.0' });
  const load = `const { lockFolder } = require(${dist('lock.js')});`;
  const hold = `async () => {
    await lockFolder(${JSON.stringify(root)}, { name: '.libtorch.lock' });
    require('node:fs').writeFileSync(${JSON.stringify(tree.at('held'))}, '');
    return new Promise(() => setInterval(() => {}, 1000));
  }`;
  const { child, ready } = start(load, hold);
  await ready;
  child.stdin!.write('go');
  while (!existsSync(tree.at('held'))) await new Promise((done) => setTimeout(done, 20));
  const failure = await fetch.fetchFromArchive({ from: tree.at('made') }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'ERR_BUSY', message: expect.stringContaining(`process ${child.pid} on `) });
  expect(libtorch.findLibTorch()).toMatchObject({ version: '2.12.0' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await expect(fetch.fetchFromArchive({ from: tree.at('made') })).resolves.toMatchObject({ version: '2.13.0' });
  rmSync(root, { recursive: true });
});
