/** manifest.json of packed shards, the stored index of a shard, and the cache of decoded images: JSON that the program wrote itself. */
import path from 'node:path';
import { put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const SHARD = { file: 'train-0.tar', images: 2, bytes: 10, sha256: 'ab' };
const MANIFEST = {
  format: 'earlybird shards 1',
  key: 'k',
  options: { quality: 90 },
  classes: ['a', 'b'],
  splits: { train: { images: 2, bad: 0, bytes: 10, shards: [SHARD] } },
};

await fuzz('manifest', () => {
  const { readManifest, isUnfinished } = dist('data/shards/manifest');
  return {
    seeds: [Buffer.from(JSON.stringify(MANIFEST))],
    tokens: ['null', '{}', '[]', '"shards":', '"splits":', '"__proto__":', '1e999', '-1'],
    codes: ['ERR_DATASET'],
    parse: async (bytes, file) => {
      put(path.join(file, 'manifest.json'), bytes);
      await isUnfinished(file);
      const manifest = await readManifest(file);
      for (const { shards } of Object.values(manifest.splits)) for (const shard of shards) shard.file.length;
    },
  };
});
