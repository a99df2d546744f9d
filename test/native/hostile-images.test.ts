/** Images that are made to harm the program that reads them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addon } from '../support/small-handles';
import { createStream, FIXTURES, pixels, streamSpec } from '../support/streams';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const segment = (marker: number, ...payload: number[]) => [
  ...[0xff, marker, (payload.length + 2) >> 8, (payload.length + 2) & 255],
  ...payload,
];

// Some markers have no length, and a byte FF before a zero is no marker. Code that copies the tables of such a file
// must go through it like libjpeg: code that took the marker of the comment for a length arrived at a scan of 255
// components inside it.
test.each([
  ['a restart marker', 0xd0],
  ['a temporary marker', 0x01],
  ['a zero behind FF', 0x00],
])('%s before the tables does not lead the packer into a comment', async (name, stray) => {
  const jpeg = readFileSync(join(FIXTURES, '420.jpg'));
  const wrong = 4 + 0xfffe;
  const hostile = Buffer.concat([
    Buffer.from([0xff, 0xd8, 0xff, stray]),
    Buffer.from(segment(0xfe, ...new Array(0xff00).fill(0x41))),
    Buffer.from(segment(0xfe, ...new Array(0x400).fill(0))),
    jpeg.subarray(2),
  ]);
  hostile.set([0xff, 0xda, 0x00, 0x02, 0xff], wrong);
  const packed = await addon.packJpeg(hostile);
  const stream = await createStream([file(`${name}.jpg`, hostile), file(`${name}.yuv`, packed!)], {
    transform: 'evaluate',
  });
  const [plain, cached] = await pixels(stream, [0, 1]);
  expect(cached).toEqual(plain);
  stream.dispose();
});

/** A grey picture of 8x8 pixels in progressive scans that each send it anew: valid, but each scan is one more pass over it. */
function scans(count: number): Buffer {
  const codes = (kind: number) => segment(0xc4, kind, 1, ...new Array(15).fill(0), 0);
  const scan = [...segment(0xda, 1, 1, 0, 0, 0, 0), 0x7f];
  return Buffer.from([
    ...[0xff, 0xd8, ...segment(0xdb, 0, ...new Array(64).fill(1))],
    ...segment(0xc2, 8, 0, 8, 0, 8, 1, 1, 0x11, 0),
    ...codes(0),
    ...new Array(count).fill(scan).flat(),
    ...[0xff, 0xd9],
  ]);
}

test('a JPEG with more scans than encoders make is refused before it takes long', async () => {
  const files = [file('few.jpg', scans(400)), file('many.jpg', scans(600))];
  const stream = await addon.createStream(streamSpec(files, { maxBad: 1, transform: 'evaluate' }));
  const { bad } = await stream.drain({ seed: 1, epoch: 0, batchSize: 2 });
  expect(bad).toEqual([expect.objectContaining({ index: 1, reason: 'corrupt: it has more than 500 scans' })]);
  stream.dispose();
});
