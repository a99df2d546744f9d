/** *.index.json of checkpoints in several files. */
import path from 'node:path';
import { put } from './files.mjs';
import { bytesOf, dist, fuzz } from './loop.mjs';

const FOLDER = 'test/cases/checkpoints/tools/bins';

await fuzz('sharded', () => {
  const { readSharded } = dist('checkpoint/sharded');
  const shards = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
  const contents = shards.map((name) => bytesOf(`${FOLDER}/${name}`));
  return {
    seeds: [bytesOf(`${FOLDER}/pytorch_model.bin.index.json`)],
    tokens: ['null', '{}', '[]', '"weight_map":', '"__proto__":', '"../x"', ...shards.map((name) => `"${name}"`)],
    codes: ['ERR_CHECKPOINT', 'ERR_FILE'],
    naming: false,
    parse: async (bytes, file) => {
      const index = put(path.join(file, 'model.bin.index.json'), bytes);
      for (const [i, name] of shards.entries()) put(path.join(file, name), contents[i]);
      await readSharded(index);
    },
  };
});
