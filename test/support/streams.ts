/** Image files and streams over them, for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import type { NativeDataset, StreamSpec } from '../../src/native/types/dataset';
import { addon, floats } from './small-handles';

export const FIXTURES = resolve(__dirname, '../fixtures/jpeg');

/** A stream over whole files. A mean of 0 and a deviation of 1/255 make network input equal to pixels. */
export function streamSpec(files: string[], spec: Partial<StreamSpec> = {}): StreamSpec {
  const count = spec.labels?.length ?? files.length;
  return {
    files,
    file: new Int32Array(count).map((_, i) => i),
    offsets: new Float64Array(count),
    lengths: new Float64Array(count).fill(-1),
    labels: new Int32Array(count).map((_, i) => i % 10),
    classes: 10,
    device: 'cpu',
    mean: [0, 0, 0],
    std: [1 / 255, 1 / 255, 1 / 255],
    size: 32,
    transform: 'train',
    resize: 40,
    workers: 2,
    maxBad: 0,
    rank: 0,
    worldSize: 1,
    ...spec,
  };
}

/** RGB pixels (height, width, 3) of every image, as the network sees them. */
export async function pixels(stream: NativeDataset, indexes: number[], epoch = 0): Promise<Uint8Array[]> {
  const { images } = await stream.batch(indexes, { seed: 1, epoch });
  const [, , height, width] = images.shape as [number, number, number, number];
  const values = floats(images);
  const area = height * width;
  return indexes.map((_, n) => {
    const out = new Uint8Array(area * 3);
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < area; i++) out[i * 3 + c] = Math.round(values[(n * 3 + c) * area + i]!);
    return out;
  });
}

/** Smooth pictures of assorted sizes, each of another colour. */
export async function makeImages(folder: string, count: number): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const files: string[] = [];
  for (let n = 0; n < count; n++) {
    const width = 60 + ((n * 37) % 90);
    const height = 50 + ((n * 53) % 70);
    const data = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => (i / 3 / width) * (n % 3) + (i % 3) * 40 + ((Math.floor(i / 3) % width) * (n + 1)) / 2,
    );
    const file = join(folder, `${n}.JPEG`);
    writeFileSync(
      file,
      await sharp(data, { raw: { width, height, channels: 3 } })
        .jpeg({ quality: 90 })
        .toBuffer(),
    );
    files.push(file);
  }
  return files;
}

export function difference(a: Uint8Array, b: Uint8Array): { worst: number; mean: number } {
  if (a.length !== b.length) throw new Error(`${a.length} and ${b.length} bytes`);
  let worst = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const off = Math.abs(a[i]! - b[i]!);
    if (off > worst) worst = off;
    sum += off;
  }
  return { worst, mean: sum / a.length };
}

export const createStream = (files: string[], spec: Partial<StreamSpec> = {}) =>
  addon.createStream(streamSpec(files, spec));
