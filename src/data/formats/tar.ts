/** Tar shards in the WebDataset convention. */
import { open } from 'node:fs/promises';
import { readSamples } from '../shards/samples';
import { TarFile } from '../shards/tar-entries';
import type { Format } from './format';

/** For each key an image `key.jpg` and its class, `key.cls` or `label` in `key.json`. */
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
