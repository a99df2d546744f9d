/** Masks of a search: masks/index.json, a line, then the bits of masks/30.bits and masks/30.steps.bits. */
import path from 'node:path';
import { put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const INDEX = { channels: 12, first: 1, ratios: [0.3], layers: [4, 8] };
const stored = (index) =>
  Buffer.concat([Buffer.from(`${JSON.stringify(index)}\n`), Buffer.from('\0\0\xff\xf0\x0f\xf0\xaa\xa0', 'latin1')]);

await fuzz('masks', () => {
  const { RunDirectory } = dist('run/directory');
  const { overlapMatrix } = dist('ticket/mask');
  return {
    seeds: [stored(INDEX), stored({ ...INDEX, steps: { every: 2, batches: 5 } })],
    tokens: ['null', '"steps":{"every":1,"batches":2}', '0', '1e999', '-1', '[]', '{}', '4294967296'],
    codes: ['ERR_FILE'],
    parse: async (bytes, file) => {
      const end = bytes.indexOf('\n') + 1 || bytes.length;
      put(path.join(file, 'masks/index.json'), bytes.subarray(0, end));
      put(path.join(file, 'masks/30.bits'), bytes.subarray(end));
      put(path.join(file, 'masks/30.steps.bits'), bytes.subarray(end));
      const folder = RunDirectory.at(file);
      const masks = await folder.readMasks(0.3);
      await folder.readStepMasks(0.3);
      if (masks && masks.rows.length < 100) overlapMatrix(masks.rows, masks.index.channels);
    },
  };
});
