/** The stream of JPEG files: its promises about order, workers, ranks, bad files, cancelling and memory. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { EpochPosition, PassResult } from '../../src/native/types/pass';
import { addon, smallModel, smallTrainer } from '../support/small-handles';
import { createStream, FIXTURES, makeImages, pixels, streamSpec } from '../support/streams';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-stream-'));
let files: string[];
const all = () => files.map((_, i) => i);

beforeAll(async () => {
  files = await makeImages(join(folder, 'good'), 23);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('workers and ranks', () => {
  test('the same pixels for any number of workers, others in another epoch', async () => {
    const one = await createStream(files, { workers: 1 });
    const expected = await pixels(one, all());
    for (const workers of [2, 5]) {
      const stream = await createStream(files, { workers });
      expect(await pixels(stream, all())).toEqual(expected);
      stream.dispose();
    }
    expect(await pixels(one, all(), 1)).not.toEqual(expected);
    expect(await pixels(one, all())).toEqual(expected);
    one.dispose();
  });

  test('the same training for any number of workers, bit by bit', async () => {
    const losses = new Set<number>();
    for (const workers of [1, 2, 5]) {
      const [stream, model] = await Promise.all([createStream(files, { workers }), smallModel()]);
      const trainer = await smallTrainer(model);
      const result = await trainer.epoch({ dataset: stream, epoch: 1, lr: 0.1, batchSize: 5 });
      expect([result.images, result.steps, result.bad]).toEqual([23, 5, []]);
      expect(result.waited).toBeGreaterThanOrEqual(0); // the value is a matter of luck: the workers may always be ahead
      expect(result.waited).toBeLessThanOrEqual(result.seconds);
      const evaluated = await model.evaluate({ dataset: stream, batchSize: 7, precision: 'fp32' });
      expect([evaluated.images, evaluated.steps]).toEqual([23, 4]);
      losses.add(result.loss).add(evaluated.loss);
      for (const handle of [trainer, model, stream]) handle.dispose();
    }
    expect(losses.size).toBe(2);
  });

  test('ranks share every batch of an epoch, each image once', async () => {
    const counts = async (transform: 'train' | 'evaluate') => {
      const out = [];
      for (let rank = 0; rank < 3; rank++) {
        const stream = await createStream(files, { transform, rank, worldSize: 3 });
        out.push((await stream.drain({ seed: 1, epoch: 0, batchSize: 6 })).images);
        stream.dispose();
      }
      return out;
    };
    expect(await counts('train')).toEqual([8, 8, 7]);
    expect(await counts('evaluate')).toEqual([8, 8, 7]);
    const many = await createStream(files.slice(0, 2), { transform: 'evaluate', rank: 5, worldSize: 6 });
    expect((await many.drain({ seed: 1, epoch: 0, batchSize: 4 })).images).toBe(0);
    many.dispose();
  });

  test('shards give what files give', async () => {
    const contents = files.map((file) => readFileSync(file));
    const shard = join(folder, 'shard.tar');
    writeFileSync(shard, Buffer.concat(contents.flatMap((bytes) => [Buffer.alloc(512), bytes])));
    let at = 0;
    const offsets = Float64Array.from(contents, ({ length }) => {
      at += 512 + length;
      return at - length;
    });
    const lengths = Float64Array.from(contents, ({ length }) => length);
    const spec = { file: new Int32Array(23), offsets, lengths, labels: new Int32Array(23) };
    const [packed, loose] = await Promise.all([createStream([shard], spec), createStream(files)]);
    expect(await pixels(packed, all())).toEqual(await pixels(loose, all()));
    packed.dispose();
    loose.dispose();
    lengths[22]! += 1;
    await expect(createStream([shard], spec)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/shard\.tar is shorter than its index says/),
    });
    await expect(createStream([join(folder, 'none.tar')], spec)).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });
});

describe('bad files', () => {
  let bad: Record<string, string>;

  beforeAll(async () => {
    const jpeg = readFileSync(files[0]!);
    const corrupt = Buffer.from(readFileSync(join(FIXTURES, '420.jpg')));
    corrupt.fill(0xff, 9000, 9400);
    const contents: Record<string, Buffer> = {
      truncated: readFileSync(join(FIXTURES, '420.jpg')).subarray(0, 12000),
      header: jpeg.subarray(0, 40),
      corrupt,
      png: await sharp(files[0]!).png().toBuffer(),
      text: Buffer.from('<html>not found</html>'),
      empty: Buffer.alloc(0),
    };
    bad = { missing: join(folder, 'nowhere.JPEG') };
    for (const [name, bytes] of Object.entries(contents)) {
      bad[name] = join(folder, `${name}.JPEG`);
      writeFileSync(bad[name]!, bytes);
    }
  });

  const REASONS: Record<string, RegExp> = {
    missing: /^cannot be read: No such file/,
    truncated: /^truncated$/,
    header: /^truncated$/,
    corrupt: /^corrupt/,
    png: /^a PNG, not a JPEG; `earlybird data pack` converts it$/,
    text: /^not a JPEG$/,
    empty: /^empty$/,
  };

  test('are left out, counted and named, whatever part of them is wanted', async () => {
    const names = Object.keys(REASONS);
    const mixed = [...files.slice(0, 8), ...names.map((name) => bad[name]!), ...files.slice(8)];
    const stream = await createStream(mixed, { maxBad: 7 });
    for (const epoch of [0, 1, 2, 3]) {
      const result = await stream.drain({ seed: 1, epoch, batchSize: 4 });
      expect(result.images).toBe(23);
      const reasons = Object.fromEntries(result.bad.map(({ index, reason }) => [names[index - 8], reason]));
      for (const name of names) expect([name, reasons[name]]).toEqual([name, expect.stringMatching(REASONS[name]!)]);
    }
    stream.dispose();
  });

  test('an epoch in parts has the bits, the bad images and the limit on them of a whole one', async () => {
    // Batches hold one image each, so that batches and steps differ.
    const mixed = [...files.slice(0, 5), bad.text!, bad.empty!, ...files.slice(5, 9)];
    const stream = await createStream(mixed, { maxBad: 2 });
    const train = async (parts: number[]) => {
      const model = await smallModel();
      const trainer = await smallTrainer(model);
      let from: EpochPosition | undefined;
      let result: PassResult | undefined;
      for (const steps of parts) {
        result = await trainer.epoch({
          dataset: stream,
          epoch: 3,
          lr: 0.01,
          batchSize: 1,
          steps,
          ...(from ? { from } : {}),
        });
        from = await trainer.position();
      }
      const { state, momentum } = await trainer.snapshot();
      for (const handle of [trainer, model]) handle.dispose();
      const { images, steps, loss, top1, bad } = result!;
      return { images, steps, loss, top1, bad, state, momentum, batches: from!.batches };
    };
    const whole = await train([99]);
    expect(whole).toMatchObject({ images: 9, steps: 9, batches: 11 });
    expect(whole.bad.map(({ index }) => index).sort()).toEqual([5, 6]);
    expect(await train([1, 1, 1, 1, 1, 1, 1, 1, 1, 1])).toEqual(whole);
    expect(await train([4, 99])).toEqual(whole);
    stream.dispose();

    const strict = await createStream(mixed, { maxBad: 1 });
    const model = await smallModel();
    const trainer = await smallTrainer(model);
    const epoch = { dataset: strict, epoch: 3, lr: 0.01, batchSize: 1 };
    const from = {
      batches: 0,
      steps: 0,
      images: 0,
      sums: [],
      seconds: 0,
      waited: 0,
      bad: [{ index: 99, reason: 'before' }],
    };
    await expect(trainer.epoch({ ...epoch, from })).rejects.toMatchObject({ code: 'ERR_DATASET' });
    for (const handle of [trainer, model, strict]) handle.dispose();
  });

  test('an image of no bytes in a shard is bad; a file that the system refuses ends the pass', async () => {
    const bytes = readFileSync(files[0]!);
    const shard = join(folder, 'with-empty.tar');
    writeFileSync(shard, bytes);
    const spec = { file: new Int32Array(2), offsets: new Float64Array(2), labels: new Int32Array(2), maxBad: 1 };
    const stream = await createStream([shard], { ...spec, lengths: Float64Array.of(bytes.length, 0) });
    const result = await stream.drain({ seed: 1, epoch: 0, batchSize: 2 });
    expect([result.images, result.bad]).toEqual([1, [{ index: 1, reason: 'empty' }]]);
    stream.dispose();
    await expect(createStream([shard], { ...spec, lengths: Float64Array.of(-2, 0) })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
    const circle = join(folder, 'circle.JPEG');
    symlinkSync(circle, circle);
    const round = await createStream([...files, circle], { maxBad: 24 });
    await expect(round.drain({ seed: 1, epoch: 0, batchSize: 2 })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/circle\.JPEG cannot be read: Too many levels .*; check the disk/),
    });
    round.dispose();
  });

  // Linux before 5.14 ends the process.
  const [major, minor] = release().split('.').map(Number) as [number, number];
  const told = major > 5 || (major === 5 && minor >= 14) ? test : test.skip;
  told('a shard that becomes shorter while it is read is an error, and does not end the process', async () => {
    const bytes = readFileSync(files[0]!);
    const shard = join(folder, 'shrinks.tar');
    writeFileSync(shard, Buffer.concat([bytes, Buffer.alloc(1 << 16), bytes]));
    const stream = await createStream([shard], {
      file: new Int32Array(2),
      offsets: Float64Array.of(0, bytes.length + (1 << 16)),
      lengths: Float64Array.of(bytes.length, bytes.length),
      labels: new Int32Array(2),
    });
    truncateSync(shard, bytes.length);
    await expect(stream.drain({ seed: 1, epoch: 0, batchSize: 2 })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/shrinks\.tar cannot be read at byte \d+: it became shorter/),
    });
    stream.dispose();
  });

  test('training and evaluation go on without them', async () => {
    const mixed = [files[0]!, bad.empty!, bad.png!, ...files.slice(1)];
    const labels = Int32Array.from([1, 9, 9, ...files.slice(1).map(() => 1)]);
    const stream = await createStream(mixed, { maxBad: 2, labels, transform: 'evaluate' });
    const clean = await createStream(files, { labels: new Int32Array(23).fill(1), transform: 'evaluate' });
    const model = await smallModel();
    // The second batch loses its only image, and is no step.
    const got = await model.evaluate({ dataset: stream, batchSize: 1, precision: 'fp32' });
    const expected = await model.evaluate({ dataset: clean, batchSize: 1, precision: 'fp32' });
    expect(got.bad.map(({ index }) => index)).toEqual([1, 2]);
    expect([got.images, got.steps, got.loss]).toEqual([expected.images, expected.steps, expected.loss]);
    const grouped = await model.evaluate({ dataset: stream, batchSize: 6, precision: 'fp32' });
    expect(grouped.images).toBe(23);
    expect(grouped.loss).toBeCloseTo(expected.loss, 5);
    const none = await createStream([bad.empty!, bad.png!], { maxBad: 2, transform: 'evaluate' });
    await expect(model.evaluate({ dataset: none, batchSize: 1, precision: 'fp32' })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/^None of the 2 images of .* could be decoded/),
    });
    for (const handle of [stream, clean, none, model]) handle.dispose();
  });

  test('one more than allowed is an error that names the file and the remedy', async () => {
    const mixed = [...files.slice(0, 3), bad.empty!, bad.missing!];
    const none = await createStream(mixed);
    await expect(none.drain({ seed: 1, epoch: 0, batchSize: 2 })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/\.JPEG: .*--max-bad/),
    });
    none.dispose();
    const two = await createStream(mixed, { maxBad: 1 });
    await expect(two.drain({ seed: 1, epoch: 0, batchSize: 5 })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/\.JPEG: .*\. No more than 1 may fail to decode in one pass/),
    });
    await expect(two.batch([0, 3], { seed: 1, epoch: 0 })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: `${bad.empty}: empty.`,
    });
    await expect(two.batch([99], { seed: 1, epoch: 0 })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    two.dispose();
  });

  test('a specification that does not fit', async () => {
    await expect(createStream([])).rejects.toMatchObject({ code: 'ERR_DATASET' });
    await expect(createStream(files, { classes: 3 })).rejects.toMatchObject({ code: 'ERR_DATASET' });
    await expect(createStream(files, { workers: 0 })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(createStream(files, { rank: 2, worldSize: 2 })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(createStream(files, { transform: 'evaluate', size: 64, resize: 40 })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
    await expect(createStream(files, { offsets: new Float64Array(2) })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(createStream(files, { file: new Int32Array(23).fill(99) })).rejects.toMatchObject({
      code: 'ERR_DATASET',
    });
  });
});

describe('stopping', () => {
  const threads = () => Number(readFileSync('/proc/self/status', 'utf8').match(/Threads:\s+(\d+)/)![1]);
  const many = () =>
    streamSpec(
      Array.from({ length: 4000 }, (_, i) => files[i % files.length]!),
      { workers: 5 },
    );

  test('a cancelled pass ends soon and leaves no thread', async () => {
    const { files: paths, ...spec } = many();
    const stream = await createStream(paths, spec);
    await stream.batch([0], { seed: 1, epoch: 0 });
    const before = threads();
    const abort = new AbortController();
    const running = stream.drain({ seed: 1, epoch: 0, batchSize: 16, signal: abort.signal });
    setTimeout(() => abort.abort(), 30);
    await expect(running).rejects.toThrow(/abort/i);
    expect(threads()).toBeLessThanOrEqual(before);
    // And the next pass is whole.
    const first = await stream.drain({ seed: 1, epoch: 0, batchSize: 16 });
    const second = await stream.drain({ seed: 1, epoch: 0, batchSize: 16 });
    expect([first.images, second.images, second.bad]).toEqual([4000, 4000, first.bad]);
    expect(threads()).toBeLessThanOrEqual(before);
    stream.dispose();
  });

  test('a handle disposed while it runs', async () => {
    const { files: paths, ...spec } = many();
    const stream = await createStream(paths, spec);
    const running = stream.drain({ seed: 1, epoch: 0, batchSize: 16 });
    setTimeout(() => stream.dispose(), 30);
    await expect(running).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await expect(stream.drain({ seed: 1, epoch: 0, batchSize: 16 })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  test('memory stays flat from epoch to epoch', async () => {
    const stream = await createStream(many().files.slice(0, 400), { workers: 5 });
    await stream.drain({ seed: 1, epoch: 0, batchSize: 16 });
    const [bytes, rss] = [addon.hostBytes(), process.memoryUsage().rss];
    for (let epoch = 1; epoch <= 10; epoch++) await stream.drain({ seed: 1, epoch, batchSize: 16 });
    expect(addon.hostBytes()).toBe(bytes);
    expect(process.memoryUsage().rss - rss).toBeLessThan(32e6);
    stream.dispose();
  });

  test('an epoch that ends early, for benchmarks', async () => {
    const { files: paths, ...spec } = many();
    const [stream, model] = await Promise.all([createStream(paths, spec), smallModel()]);
    const trainer = await smallTrainer(model);
    const result = await trainer.epoch({ dataset: stream, epoch: 0, lr: 0.01, batchSize: 8, steps: 3 });
    expect([result.images, result.steps]).toEqual([24, 3]);
    for (const handle of [trainer, model, stream]) handle.dispose();
  });
});
