/**
 * Evaluation against Pillow itself on every image of the ImageNet sample. Needs the sample (EARLYBIRD_IMAGENET_SAMPLE, a folder of
 * JPEG files or a tar of them; ../shared/data where it is there) and a python with Pillow (EB_PYTHON or python3).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createStream, difference, FIXTURES, pixels } from '../support/streams';

const root = resolve(__dirname, '../..');
const sample = process.env.EARLYBIRD_IMAGENET_SAMPLE ?? resolve(root, '../shared/data/imagenet-sample-250.tar');
const python = process.env.EB_PYTHON ?? 'python3';
const folder = mkdtempSync(join(tmpdir(), 'earlybird-pillow-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const why = !existsSync(sample)
  ? `there is no ${sample}`
  : spawnSync(python, ['-c', 'import PIL']).status !== 0
    ? `${python} has no Pillow`
    : '';
if (why) process.stderr.write(`skipped, evaluation against Pillow on the whole sample: ${why}\n`);

(why ? test.skip : test)(
  'within 2 levels of Pillow on every image, 0.25 in the mean',
  async () => {
    const where = statSync(sample).isDirectory() ? sample : folder;
    if (where === folder) expect(spawnSync('tar', ['-xf', sample, '-C', folder]).status).toBe(0);
    const files = readdirSync(where, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.jpe?g$/i.test(name))
      .map((name) => join(where, name));
    expect(files.length).toBeGreaterThan(0);
    const { status, stdout } = spawnSync(python, [join(FIXTURES, 'make.py'), 'evaluate', ...files], {
      maxBuffer: 1 << 28,
    });
    expect(status).toBe(0);
    const stream = await createStream(files, { transform: 'evaluate', size: 224, resize: 256 });
    const size = 224 * 224 * 3;
    let sum = 0;
    for (let i = 0; i < files.length; i++) {
      const [got] = await pixels(stream, [i]);
      const { worst, mean } = difference(got!, stdout.subarray(i * size, (i + 1) * size));
      expect([files[i], worst <= 2]).toEqual([files[i], true]);
      sum += mean;
    }
    expect(sum / files.length).toBeLessThan(0.25);
    stream.dispose();
  },
  600_000,
);
