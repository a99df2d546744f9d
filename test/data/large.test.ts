/** Places and sizes beyond 2^31 and 2^32 bytes, in files with holes that take no room on disk. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BETON } from '../../src/data/formats/beton';
import { TAR } from '../../src/data/formats/tar';
import { bytesOf, NameTable } from '../../src/data/listing';
import { addon } from '../support/small-handles';
import { FIXTURES, pixels, streamSpec } from '../support/streams';

const FAR = 5 * 2 ** 30;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earlybird-large-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes pieces at their places into a file of `size` bytes. */
function sparse(size: number, pieces: [at: number, bytes: Buffer][]): string {
  const file = join(folder, 'large');
  const descriptor = openSync(file, 'w');
  ftruncateSync(descriptor, size);
  for (const [at, bytes] of pieces) writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
  expect(statSync(file).blocks * 512).toBeLessThan(1 << 20);
  return file;
}

/** A header with the size as `field`. */
function header(name: string, field: Buffer): Buffer {
  const block = Buffer.alloc(512);
  block.write(name);
  field.copy(block, 124);
  block.write('ustar\x0000', 257, 'latin1');
  block.write('0', 156);
  block.fill(' ', 148, 156);
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

const octal = (size: number) => Buffer.from(`${size.toString(8).padStart(11, '0')}\0`);
function binary(size: number): Buffer {
  const field = Buffer.alloc(12);
  field[0] = 0x80;
  field.writeBigUInt64BE(BigInt(size), 4);
  return field;
}

const picture = readFileSync(join(FIXTURES, '420.jpg'));

test.each([
  ['octal', octal],
  ['binary', binary],
])('a tar shard whose image lies behind 5 GiB, %s sizes', async (_, size) => {
  const image = FAR + 1024;
  const end = image + Math.ceil(picture.length / 512) * 512;
  const file = sparse(end + 512 * 4, [
    [0, header('other.bin', size(FAR))],
    [FAR + 512, header('a.jpg', size(picture.length))],
    [image, picture],
    [end, header('a.cls', size(1))],
    [end + 512, Buffer.from('3')],
  ]);
  const index = await TAR.index(file, statSync(file).size);
  expect(index).toMatchObject({ keys: ['a'], offsets: [image], lengths: [picture.length], labels: [3] });

  const listing = {
    files: [file],
    file: Int32Array.of(0),
    offsets: Float64Array.from(index.offsets),
    lengths: Float64Array.from(index.lengths),
    labels: Int32Array.of(3),
    count: 1,
    nameOf: () => 'a',
  };
  expect(await bytesOf(listing, 0)).toEqual(picture);
  using far = await addon.createStream(streamSpec([file], { ...listing, file: Int32Array.of(0) }));
  using near = await addon.createStream(streamSpec([join(FIXTURES, '420.jpg')], { labels: Int32Array.of(3) }));
  expect(await pixels(far, [0])).toEqual(await pixels(near, [0]));
});

test('an entry that claims more than the file has is refused, at any size', async () => {
  const file = sparse(FAR, [[0, header('a.jpg', binary(2 ** 53 + 2))]]);
  await expect(TAR.index(file, FAR)).rejects.toMatchObject({ code: 'ERR_DATASET' });
});

test('a .beton file whose image lies behind 5 GiB', async () => {
  const number = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const field = (type: number, name: string) => Buffer.from(`${String.fromCharCode(type)}${name.padEnd(1040, '\0')}`);
  const record = Buffer.concat([Buffer.from([0, 8, 0, 8, 0]), number(FAR), Buffer.alloc(3), number(4)]);
  const head = Buffer.concat([Buffer.from([2, 0, 2, 0, 0, 0, 0, 0]), number(1), number(FAR + 4096)]);
  const file = sparse(FAR + 4096 + 24, [
    [0, Buffer.concat([head, field(2, 'image'), field(1, 'label'), record])],
    [FAR, picture],
    [FAR + 4096, Buffer.concat([number(0), number(FAR), number(picture.length)])],
  ]);
  expect(await BETON.index(file, statSync(file).size)).toMatchObject({
    offsets: [FAR],
    lengths: [picture.length],
    labels: [4],
  });
});

test('names are found beyond 2^31 images', () => {
  const names = new NameTable();
  names.add('a/', ['0', '1']);
  // Pretends that the group has 3 * 2^31 names, without a string for each of them.
  Object.assign(names, { count: 3 * 2 ** 31 });
  names.add('b/', ['x', 'y']);
  expect([names.at(1), names.at(3 * 2 ** 31 + 1), names.at(3 * 2 ** 31)]).toEqual(['a/1', 'b/y', 'b/x']);
});
