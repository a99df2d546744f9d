/** Writes the layout of torch.save before PyTorch 1.6, for the reader of it (without the views that PyTorch itself loads). */
import { writeFileAtomic } from '../../src/atomic';
import { MAGIC, PROTOCOL } from '../../src/checkpoint/legacy';
import { pickleValue } from '../../src/checkpoint/pickle/write';
import type { Value } from '../../src/checkpoint/value';

export async function writeLegacyCheckpoint(file: string, value: Value): Promise<void> {
  await writeFileAtomic(file, legacyChunks(value));
}

const bare = (value: Value) => pickleValue(value).pickle;

function* legacyChunks(value: Value): Generator<Uint8Array> {
  const { pickle, storages, numels } = pickleValue(value);
  yield bare(MAGIC);
  yield bare(PROTOCOL);
  yield bare(
    new Map<string, Value>([
      ['protocol_version', PROTOCOL],
      ['little_endian', true],
      ['type_sizes', new Map(Object.entries({ short: 2, int: 4, long: 4 }))],
    ]),
  );
  yield pickle;
  yield bare(storages.map((_, index) => String(index)));
  for (const [index, data] of storages.entries()) {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(numels[index]!));
    yield count;
    yield data;
  }
}
