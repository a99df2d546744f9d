/** The stream of JPEG files: the kinds of files that it reads, and the sizes that it makes of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { createStream, difference, FIXTURES, makeImages, pixels } from '../support/streams';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-stream-kinds-'));
let files: string[];

beforeAll(async () => {
  files = await makeImages(join(folder, 'good'), 23);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what JPEG files can be', () => {
  test.each(['444', '422', '420', '411', 'gray', 'cmyk', 'progressive', 'restart'])(
    '%s: evaluation sees what Pillow sees',
    async (name) => {
      const stream = await createStream([join(FIXTURES, `${name}.jpg`)], {
        transform: 'evaluate',
        size: 224,
        resize: 256,
      });
      const [got] = await pixels(stream, [0]);
      const golden = await sharp(join(FIXTURES, `${name}.webp`))
        .removeAlpha()
        .raw()
        .toBuffer();
      const { worst, mean } = difference(got!, golden);
      expect(worst).toBeLessThanOrEqual(2);
      expect(mean).toBeLessThan(0.25);
      stream.dispose();
    },
  );

  test('written by another library: sampling, colour spaces, a single pixel', async () => {
    const source = sharp(files[3]!);
    const { width, height } = await source.metadata();
    const made: [string, Buffer][] = [
      ['444', await source.clone().jpeg({ chromaSubsampling: '4:4:4' }).toBuffer()],
      ['420', await source.clone().jpeg({ chromaSubsampling: '4:2:0', mozjpeg: true }).toBuffer()],
      ['progressive', await source.clone().jpeg({ progressive: true }).toBuffer()],
      ['gray', await source.clone().toColourspace('b-w').jpeg().toBuffer()],
      ['cmyk', await source.clone().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()],
      [
        'dot',
        await sharp({ create: { width: 1, height: 1, channels: 3, background: '#4080c0' } })
          .jpeg()
          .toBuffer(),
      ],
      ['strip', await source.clone().resize(700, 3, { fit: 'fill' }).jpeg().toBuffer()],
    ];
    const paths = made.map(([name, bytes]) => {
      writeFileSync(join(folder, `${name}.jpg`), bytes);
      return join(folder, `${name}.jpg`);
    });
    expect(Math.min(width!, height!)).toBeGreaterThan(40);
    const evaluation = await createStream([files[3]!, ...paths], { transform: 'evaluate' });
    const [original, ...others] = await pixels(evaluation, [0, ...paths.map((_, i) => i + 1)]);
    const off = Object.fromEntries(made.map(([name], i) => [name, difference(original!, others[i]!).mean]));
    for (const name of ['444', '420', 'progressive']) expect([name, off[name]! < 12]).toEqual([name, true]);
    expect(off.cmyk).toBeLessThan(40); // another gamut, but not a negative
    const gray = others[3]!;
    expect(gray.every((value, i) => value === gray[i - (i % 3)])).toBe(true);
    expect(
      difference(
        others[5]!,
        Uint8Array.from(others[5]!, (_, i) => [0x40, 0x80, 0xc0][i % 3]!),
      ).worst,
    ).toBeLessThan(4);
    evaluation.dispose();
    const training = await createStream(paths);
    expect((await training.drain({ seed: 1, epoch: 0, batchSize: 3 })).images).toBe(7);
    training.dispose();
  });
});

describe('sizes', () => {
  test('the shorter side enlarged to 65535: the centre of the image, also where the longer one passes 2^31', async () => {
    const strip = join(folder, 'long.jpg');
    const edge = Buffer.alloc(65500 * 3).map((_, i) => (i < 32750 * 3 ? 60 : 180));
    await sharp(edge, { raw: { width: 65500, height: 1, channels: 3 } })
      .jpeg({ quality: 100 })
      .toFile(strip);
    using stream = await createStream([strip, files[4]!], { transform: 'evaluate', resize: 65535 });
    const [long, ordinary] = await pixels(stream, [0, 1]);
    // The 32 pixels about the centre are much less than one of the image: all lie half-way up its edge.
    expect(
      difference(
        long!,
        long!.map(() => 120),
      ).worst,
    ).toBeLessThanOrEqual(3);
    const { data, info } = await sharp(files[4]!).raw().toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    const middle = [0, 1, 2].map((c) => {
      const at = (x: number, y: number) => data[(Math.floor(y) * width + Math.floor(x)) * 3 + c]!;
      const [x, y] = [width / 2, height / 2];
      return (at(x - 0.5, y - 0.5) + at(x, y - 0.5) + at(x - 0.5, y) + at(x, y)) / 4;
    });
    const expected = ordinary!.map((_, i) => Math.round(middle[i % 3]!));
    expect(difference(ordinary!, expected).worst).toBeLessThanOrEqual(3);
  });

  test.each([
    ['size beyond what is held', { size: 65535, resize: 65535 }, '"size" must be from 1 to 8192.'],
    ['resize beyond what is held', { resize: 65536 }, '"resize" must be from 1 to 65535.'],
    ['size that is no whole number', { size: 64.5 }, /"size" must be a whole number/],
  ])('%s', async (_, spec, message) => {
    await expect(createStream(files, spec)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });
});
