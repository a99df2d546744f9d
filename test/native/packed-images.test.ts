/** Images that `data pack --cache yuv` packs, in the training loader: the pixels of the JPEG, at every scale; damage is found. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { checkPacked, isPacked } from '../../src/data/pack/packed';
import { addon } from '../support/small-handles';
import { createStream, FIXTURES, pixels, streamSpec } from '../support/streams';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-packed-'));
let jpegs: string[];
let packed: string[];

beforeAll(async () => {
  // A picture so large that it is decoded at an eighth of its size.
  const large = join(folder, 'large.jpg');
  const noise = Buffer.from(Uint8Array.from({ length: 700 * 500 * 3 }, (_, i) => (i * 7919 + (i >> 5)) & 255));
  await sharp(noise, { raw: { width: 700, height: 500, channels: 3 } })
    .blur(3)
    .jpeg({ quality: 95 })
    .toFile(large);
  const names = readdirSync(FIXTURES).filter((name) => /jpg$/.test(name) && !/cmyk|progressive/.test(name));
  // A segment that is shorter than its own length, which libjpeg reads as an empty one.
  const odd = join(folder, 'empty-segment.jpg');
  const [start, rest] = [readFileSync(large).subarray(0, 2), readFileSync(large).subarray(2)];
  writeFileSync(odd, Buffer.concat([start, Buffer.from([0xff, 0xe0, 0, 0]), rest]));
  jpegs = [...names.map((name) => join(FIXTURES, name)), large, odd];
  packed = [];
  for (const file of jpegs) {
    const bytes = await addon.packJpeg(readFileSync(file));
    expect([file, bytes && isPacked(bytes)]).toEqual([file, true]);
    checkPacked(Buffer.from(bytes!));
    packed.push(join(folder, `${packed.length}.yuv`));
    writeFileSync(packed.at(-1)!, bytes!);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  [32, 'train'],
  [200, 'train'],
  [48, 'evaluate'],
] as const)('the same pixels at a size of %i, to %s', async (size, transform) => {
  const settings = { size, transform, resize: size + 8 };
  const [plain, cached] = [await createStream(jpegs, settings), await createStream(packed, settings)];
  const all = jpegs.map((_, i) => i);
  for (const epoch of [0, 1, 2]) expect(await pixels(cached, all, epoch)).toEqual(await pixels(plain, all, epoch));
  plain.dispose();
  cached.dispose();
});

test('what cannot be packed stays, and what does not decode is an error', async () => {
  for (const name of ['cmyk.jpg', 'progressive.jpg'])
    expect(await addon.packJpeg(readFileSync(join(FIXTURES, name)))).toBeNull();
  expect(await addon.packJpeg(readFileSync(packed[0]!))).toBeNull();
  for (const bytes of [Buffer.from('no image'), Buffer.alloc(0), readFileSync(jpegs[0]!).subarray(0, 700)])
    await expect(addon.packJpeg(bytes)).rejects.toMatchObject({ code: 'ERR_DATASET' });
});

test('a damaged image is left out of every epoch, by its checksum', async () => {
  const damaged = packed.map((file, i) => {
    const bytes = readFileSync(file);
    if (i % 3 === 0) bytes[bytes.length - 1 - i]! ^= 1;
    if (i % 3 === 1) bytes[6] = 0x39;
    const out = join(folder, `damaged-${i}.yuv`);
    writeFileSync(out, i % 3 === 2 ? bytes.subarray(0, bytes.length - 9) : bytes);
    return out;
  });
  const stream = await addon.createStream(streamSpec(damaged, { maxBad: damaged.length }));
  for (const epoch of [0, 1]) {
    const { bad } = await stream.drain({ seed: 1, epoch, batchSize: 4 });
    expect(bad).toHaveLength(damaged.length);
    const reasons = new Map(bad.map(({ index, reason }) => [index % 3, reason]));
    expect(reasons.get(0)).toMatch(/^corrupt: /);
    expect(reasons.get(1)).toMatch(/^packed by another release/);
    expect(reasons.get(2)).toMatch(/^(corrupt|truncated)/);
  }
  stream.dispose();
});
