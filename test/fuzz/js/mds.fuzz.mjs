/** A shard of MosaicML's streaming, as an index describes it. */
import path from 'node:path';
import { formats, put, readShard } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const [INDEX, ...SHARDS] = ['index.json', 'shard.00000.mds', 'shard.00001.mds'].map((name) => `mds-jpeg/train/${name}`);

await fuzz('mds', () => {
  const { mdsShards } = dist('data/formats/mds');
  const [shard] = JSON.parse(formats(INDEX)[0]).shards;
  return {
    seeds: formats(...SHARDS),
    codes: ['ERR_DATASET'],
    parse: async (bytes, file) => {
      const raw_data = { ...shard.raw_data, basename: path.basename(file), bytes: bytes.length, hashes: {} };
      const index = put(
        path.join(path.dirname(file), 'index.json'),
        JSON.stringify({ shards: [{ ...shard, raw_data }] }),
      );
      const [{ format }] = await mdsShards(index);
      await readShard(format, file, bytes);
    },
  };
});
