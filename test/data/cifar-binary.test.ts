import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cifarBinary } from '../../src/data/cifar/binary';
import { CIFAR, readCifar } from '../../src/data/cifar/cifar';

test('what it writes is read as the same images and labels', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eb-binary-'));
  const set = (count: number, seed: number) => ({
    images: Uint8Array.from({ length: count * 3072 }, (_, i) => ((i + seed) * 2654435761) >>> 24),
    labels: Int32Array.from({ length: count }, (_, i) => (i * 7 + seed) % 10),
    count,
  });
  try {
    const [train, test] = [set(3, 1), set(2, 9)];
    const { binary } = CIFAR.cifar10;
    for (const file of binary.train) writeFileSync(join(folder, file), cifarBinary(train));
    writeFileSync(join(folder, binary.test[0]!), cifarBinary(test));
    const read = await readCifar(CIFAR.cifar10, folder);
    expect(read.test).toEqual(test);
    expect(read.train.count).toBe(15);
    expect(read.train.images.subarray(0, train.images.length)).toEqual(train.images);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
