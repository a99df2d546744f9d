/** Tar shards in the WebDataset convention. */
import { open } from 'node:fs/promises';
import { readSamples } from '../shards/samples';
import { TarFile } from '../shards/tar-entries';
import type { Format } from './format';

/** Shards with an image `key.jpg` for each key and its class in `key.cls`, or as `label` in `key.json`. */
export const TAR: Format = {
  title: 'shard',
  async index(file, size, signal) {
    const handle = await open(file, 'r');
    try {
      return await readSamples(new TarFile(handle, file, size), file, signal);
    } finally {
      await handle.close();
    }
  },
};
