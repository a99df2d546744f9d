/** @jest-environment ./test/support/yargs-environment.js */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { data } from '../../src/cli/commands/data';
import { fetchDataset, OFFICIAL_ARCHIVES } from '../../src/data/cifar/fetch';
import { openDataset } from '../../src/data/open';
import { EarlybirdError } from '../../src/errors';
import * as lock from '../../src/lock';
import { cifarFiles, writeArchive } from '../support/cifar-files';

// Its exports can then be replaced by those of a test.
jest.mock('../../src/lock', () => ({ __esModule: true, ...jest.requireActual('../../src/lock') }));

declare const yargs: typeof import('yargs/yargs');

let root: string;
let server: http.Server;
let url: string;
let bytes: Buffer;

beforeAll(async () => {
  root = mkdtempSync(path.join(os.tmpdir(), 'eb-fetch-'));
  bytes = readFileSync(
    await writeArchive(path.join(root, 'source.tar.gz'), 'cifar-10-batches-bin', cifarFiles('cifar10', 'binary')),
  );
  server = http.createServer((_, response) => response.end(bytes));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  process.env.NO_PROXY = '127.0.0.1';
});
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});

/** Runs `earlybird data ...` in this process; returns its output. */
async function cli(...args: string[]): Promise<{ out: string; exitCode: typeof process.exitCode }> {
  let out = '';
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  const parser = { 'camel-case-expansion': false };
  try {
    await yargs(['data', ...args])
      .parserConfiguration(parser)
      .command(data('data', ''))
      .exitProcess(false)
      .strict()
      .parseAsync();
  } finally {
    write.mockRestore();
  }
  const { exitCode } = process;
  process.exitCode = undefined;
  return { out, exitCode };
}

test('the table of archives is the published one', () => {
  const published = {
    'cifar-10-binary.tar.gz': 'c32a1d4ab5d03f1284b67883e8d87530',
    'cifar-10-python.tar.gz': 'c58f30108f718f92721af3b95e74349a',
    'cifar-100-binary.tar.gz': '03b5dce01913d631647c71ecec9e9cb8',
    'cifar-100-python.tar.gz': 'eb9058c3a382ffc7106e4002c42a8d85',
  };
  const found = Object.entries(OFFICIAL_ARCHIVES).map(([file, { url, md5 }]) => [file, url, md5]);
  expect(found).toEqual(
    Object.entries(published).map(([file, md5]) => [file, `https://www.cs.toronto.edu/~kriz/${file}`, md5]),
  );
});

test('an archive that is there and right is found in a folder that can only be read', async () => {
  const folder = path.join(root, 'read-only');
  const md5 = createHash('md5').update(bytes).digest('hex');
  const file = path.join(folder, 'cifar-10-binary.tar.gz');
  const refused = new EarlybirdError('ERR_FILE', 'the file system is read-only');
  const locked = jest.spyOn(lock, 'lockFolder').mockImplementation(async () => {
    mkdirSync(folder, { recursive: true });
    return new lock.FolderLock(folder, file, '', [], refused);
  });
  await expect(fetchDataset('cifar10', folder, { url, md5 })).rejects.toBe(refused);
  writeFileSync(file, bytes);
  expect(await fetchDataset('cifar10', folder, { url, md5 })).toEqual({ file, bytes: bytes.length, fetched: 0 });
  await expect(fetchDataset('cifar10', folder, { url })).rejects.toBe(refused);
  locked.mockRestore();
});

test('what is fetched is where openDataset looks', async () => {
  const cacheDir = path.join(root, 'cache');
  const md5 = createHash('md5').update(bytes).digest('hex');
  const result = await fetchDataset('cifar10', path.join(cacheDir, 'cifar10'), { url, md5 });
  expect(result).toMatchObject({ bytes: bytes.length, fetched: bytes.length });
  expect((await openDataset({ dataset: 'cifar10', cacheDir })).train.count).toBe(10);
});

test('a mirror with another file and an unknown name are refused', async () => {
  await expect(fetchDataset('cifar10', root, { url })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
  await expect(fetchDataset('imagenet', root)).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining('cifar10, cifar100'),
  });
});

test('data verify reports damage with exit code 1', async () => {
  const file = await writeArchive(
    path.join(root, 'v', 'cifar-10-binary.tar.gz'),
    'cifar-10-batches-bin',
    cifarFiles('cifar10', 'binary'),
  );
  const { out, exitCode } = await cli('verify', 'cifar10', '--data', file, '--json', '--quiet');
  const report = JSON.parse(out);
  expect(exitCode).toBe(1);
  expect(report).toMatchObject({ dataset: 'cifar10', official: false, train: { images: 10 } });
  expect(report.problems).toEqual([
    expect.stringContaining(`the official one ${OFFICIAL_ARCHIVES['cifar-10-binary.tar.gz']!.md5}`),
    expect.stringContaining('train set has 10 images where CIFAR-10 has 50000'),
    expect.stringContaining('test set has 1 images where CIFAR-10 has 10000'),
  ]);
  const text = await cli('verify', 'cifar10', '--data', file, '--quiet');
  expect(text.out).toContain('DAMAGED: The md5');
});
