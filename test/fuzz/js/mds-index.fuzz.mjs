/** index.json of MosaicML's streaming, and the shards that it describes. */
import fs from 'node:fs';
import path from 'node:path';
import { formats, put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

await fuzz('mds-index', () => {
  const { mdsShards } = dist('data/formats/mds');
  const shards = ['jpeg/val/shard.00000.mds', 'pil/val/shard.00000.mds.zstd', 'png/val/shard.00000.mds.gz'];
  const known = new Map(shards.map((name) => [path.basename(name), formats(`mds-${name}`)[0]]));
  return {
    seeds: formats('mds-jpeg/val/index.json', 'mds-pil/val/index.json', 'mds-png/val/index.json'),
    tokens: [
      'null',
      '"int"',
      '"pil"',
      '"jpeg"',
      '"str"',
      '"zstd"',
      '"br"',
      '"gz"',
      '../',
      '[]',
      '{}',
      '"__proto__"',
      '1e300',
    ],
    codes: ['ERR_DATASET'],
    parse: async (bytes, file) => {
      for (const shard of await mdsShards(put(file, bytes))) {
        const content = known.get(path.basename(shard.path));
        if (!content) continue;
        try {
          const { groups = [] } = await shard.format.index(put(shard.path, content), content.length);
          for (const group of groups.keys()) await shard.format.unpack(shard.path, group);
        } finally {
          // The next index would find the shard unpacked.
          fs.rmSync(shard.path);
        }
      }
    },
    naming: false,
  };
});
